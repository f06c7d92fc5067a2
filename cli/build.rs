//! Asks the linker for packed relative relocations where the C library of this machine knows them (glibc 2.36).
//!
//! The program is position-independent, so some 35,000 addresses in it are corrected at start, and the list of them, 0.8 MiB in the
//! usual form, stays in memory. Packed it is a fiftieth of that. A linker that does not know the option passes it over with a
//! warning; a C library that does not know the form refuses to run the program, so it must not be asked for blindly.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let here = variable("HOST") == variable("TARGET");
    if here && variable("CARGO_CFG_TARGET_ENV") == "gnu" && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// This machine's version of glibc: `getconf` says `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
