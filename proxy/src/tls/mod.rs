//! TLS on both sides: from clients (listeners) and to targets.
//!
//! rustls with aws-lc-rs, TLS 1.2 and 1.3. The crypto provider is named everywhere instead of being looked up, so that a
//! second one in the dependency tree changes nothing.

mod certificates;
mod listener;
mod reload;
mod target;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use listener::ListenerTls;
pub use reload::{CertificateWatch, watch};
pub use target::{Alpn, TargetTls, TargetTlsCache, TargetTlsError};

/// HTTP/2 in ALPN.
pub const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Why a listener's certificates cannot be used. Names the file; holds nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: String,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// The TLS library refused the settings as a whole.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Makes aws-lc-rs the provider of the whole process, for libraries that ask for the process's. Call it first thing;
/// calling it again does nothing.
pub fn install_provider() {
    // The only error is that there is one already, which is then the same one.
    let _ = aws_lc_rs::default_provider().install_default();
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests;
