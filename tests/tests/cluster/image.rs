//! The image that `make image` makes without Docker, as an archive.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};
use sluicegate_tests::program::program;
use sluicegate_tests::tools::{both, run};
use tempfile::TempDir;

const PROGRAM: &str = "usr/local/bin/sluicegate";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds the image from the program under test.
fn build(archive: &Path) {
    let mut command = Command::new(top().join("image/build"));
    let output = command.arg(archive).env("SLUICEGATE_BIN", program()).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
}

/// An image, unpacked: its manifest, its configuration and its files.
struct Image {
    manifest: Value,
    config: Value,
    root: PathBuf,
    _folder: TempDir,
}

impl Image {
    fn built() -> Self {
        let folder = TempDir::new().unwrap();
        let archive = folder.path().join("image.tar");
        build(&archive);
        let unpack = |archive: &Path, name: &str| {
            let to = folder.path().join(name);
            fs::create_dir(&to).unwrap();
            run("tar", &["-xpf", archive.to_str().unwrap(), "-C", to.to_str().unwrap()]);
            to
        };
        let parts = unpack(&archive, "parts");
        let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(parts.join(name)).unwrap()).unwrap();
        let manifest = read("manifest.json")[0].take();
        let config = read(manifest["Config"].as_str().unwrap());
        let root = unpack(&parts.join(manifest["Layers"][0].as_str().unwrap()), "root");
        Self { manifest, config, root, _folder: folder }
    }

    /// The paths of all its files.
    fn files(&self) -> BTreeSet<String> {
        let root = self.root.to_str().unwrap();
        run("find", &[root, "-type", "f", "-printf", "%P\\n"]).lines().map(str::to_owned).collect()
    }
}

/// The value of an instruction of the Dockerfile's last stage.
fn instruction(name: &str) -> String {
    let text = fs::read_to_string(top().join("Dockerfile")).unwrap();
    let line = text.lines().rfind(|line| line.starts_with(&format!("{name} "))).unwrap();
    line[name.len()..].trim().to_owned()
}

#[test]
fn it_is_named_and_runs_as_nobody_in_particular() {
    let image = Image::built();
    assert_eq!(image.manifest["RepoTags"], json!(["localhost/sluicegate:dev"]));
    let config = &image.config["config"];
    assert_eq!(config["Entrypoint"], json!([format!("/{PROGRAM}")]));
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(image.config["os"], "linux");
    let layer = image.manifest["Layers"][0].as_str().unwrap().trim_end_matches("/layer.tar");
    assert_eq!(image.config["rootfs"]["diff_ids"], json!([format!("sha256:{layer}")]));
    // Docker makes the same of the Dockerfile.
    assert_eq!(instruction("USER"), "65532:65532");
    assert_eq!(serde_json::from_str::<Value>(&instruction("ENTRYPOINT")).unwrap(), config["Entrypoint"]);
    assert_eq!(instruction("FROM"), "scratch");
    assert!(instruction("RUN").ends_with("image/rootfs target/release/sluicegate /rootfs"));
}

#[test]
fn it_holds_what_the_program_needs_and_nothing_else() {
    let image = Image::built();
    let mut expected: BTreeSet<String> =
        [PROGRAM, "etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt"]
            .map(str::to_owned)
            .into();
    let linked = run("ldd", &[program().to_str().unwrap()]);
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        expected.insert(library.trim_start_matches('/').to_owned());
    }
    assert!(expected.len() > 5, "the program links the C library: {linked}");
    assert_eq!(image.files(), expected);

    let passwd = fs::read_to_string(image.root.join("etc/passwd")).unwrap();
    assert_eq!(passwd.split(':').nth(2), Some("65532"));
    let authorities = fs::read_to_string(image.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
    let mode = |path: &str| fs::metadata(image.root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(PROGRAM), mode("tmp"), mode("etc/passwd")), (0o755, 0o1777, 0o644));
}

/// The libraries are all there, and the right ones.
#[test]
fn the_program_runs_with_nothing_but_the_image() {
    let image = Image::built();
    let output = Command::new("chroot")
        .args(["--userspec=65532:65532", image.root.to_str().unwrap(), &format!("/{PROGRAM}"), "--version"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", both(&output));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("sluicegate "));
}

#[test]
fn the_same_program_makes_the_same_image() {
    let folder = TempDir::new().unwrap();
    let archives = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
    for archive in &archives {
        build(archive);
    }
    let [one, two] = archives.map(|archive| fs::read(archive).unwrap());
    assert!(one == two, "{} and {} bytes differ", one.len(), two.len());
}
