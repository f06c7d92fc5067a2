//! Service accounts: their tokens, and kubeconfigs that speak as one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cluster::feed;
use super::namespace::Namespace;

/// What a token says, but for whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Who may take it; empty: the API server.
    pub audience: &'a str,
    /// A pod that it is bound to, so that it ends with the pod.
    pub pod: Option<&'a str>,
    /// How long it is valid. The API server issues none for less than ten minutes, and takes one for a minute longer.
    pub lifetime: Duration,
    /// How long ago it was issued; for [`Namespace::signed_token`] alone.
    pub age: Duration,
}

impl Default for Token<'_> {
    fn default() -> Self {
        Self { audience: "", pod: None, lifetime: Duration::from_hours(1), age: Duration::ZERO }
    }
}

impl Namespace<'_> {
    /// A service account; that it is there already is no failure.
    pub fn service_account(&self, name: &str) {
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}).to_string());
    }

    /// A token of a service account, issued by the API server.
    pub fn token(&self, account: &str, token: Token<'_>) -> String {
        let duration = format!("--duration={}s", token.lifetime.as_secs());
        let mut arguments = vec!["create", "token", account, &duration];
        if !token.audience.is_empty() {
            arguments.extend(["--audience", token.audience]);
        }
        if let Some(pod) = token.pod {
            arguments.extend(["--bound-object-kind=Pod", "--bound-object-name", pod]);
        }
        self.kubectl(&arguments).trim().to_owned()
    }

    /// A token as the API server would issue it, made with its key, so that it may expire in a second. The cluster must be
    /// the tests' own.
    pub fn signed_token(&self, account: &str, token: Token<'_>) -> String {
        let uid = |resource: &str| self.get(resource)["metadata"]["uid"].clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        let issued = now.saturating_sub(token.age).as_secs();
        let audience = if token.audience.is_empty() { "https://kubernetes.default.svc" } else { token.audience };
        let mut holder = json!({
            "namespace": self.name(),
            "serviceaccount": {"name": account, "uid": uid(&format!("serviceaccount/{account}"))},
        });
        if let Some(pod) = token.pod {
            holder["pod"] = json!({"name": pod, "uid": uid(&format!("pod/{pod}"))});
        }
        let claims = json!({
            "iss": "https://kubernetes.default.svc", "aud": [audience], "iat": issued, "nbf": issued,
            "exp": issued + token.lifetime.as_secs(), "sub": format!("system:serviceaccount:{}:{account}", self.name()),
            "kubernetes.io": holder,
        });
        sign(&claims, &self.cluster.signing_key())
    }

    /// A kubeconfig that speaks as a service account. The account's rights are its own.
    pub fn account(&self, account: &str) -> Account {
        let token = self.token(account, Token::default());
        let folder = TempDir::new().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::copy(self.cluster.kubeconfig(), &kubeconfig).expect("the kubeconfig can be read");
        let mut command = self.cluster.command("kubectl");
        command.env("KUBECONFIG", &kubeconfig);
        let context =
            String::from_utf8(feed(command.args(["config", "current-context"]), "").stdout).expect("a name is text");
        for arguments in [
            &["config", "set-credentials", "account", "--token", &token][..],
            &["config", "set-context", context.trim(), "--user=account"],
        ] {
            let mut command = self.cluster.command("kubectl");
            let output = feed(command.env("KUBECONFIG", &kubeconfig).args(arguments), "");
            assert!(output.status.success(), "{}", crate::tools::both(&output));
        }
        Account { kubeconfig, _folder: folder }
    }
}

/// A service account's kubeconfig, as long as this is there.
#[derive(Debug)]
pub struct Account {
    /// The file.
    pub kubeconfig: PathBuf,
    _folder: TempDir,
}

/// A JSON Web Token with RS256.
fn sign(claims: &Value, key: &std::path::Path) -> String {
    let mut token = base64(br#"{"alg":"RS256","typ":"JWT"}"#);
    write!(token, ".{}", base64(claims.to_string().as_bytes())).unwrap();
    let signed = feed(Command::new("openssl").args(["dgst", "-sha256", "-sign"]).arg(key), &token);
    assert!(signed.status.success(), "openssl: {}", crate::tools::both(&signed));
    write!(token, ".{}", base64(&signed.stdout)).unwrap();
    token
}

/// Base64 for URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = three.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for position in 0..=three.len() {
            text.push(char::from(LETTERS[(group >> (18 - 6 * position) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_has_no_padding() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("~~~", "fn5-")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
