//! A Target's credentials: from a key of a Secret to the value of a header.
//!
//! A value that is missing or cannot be sent leaves the credential in place without a value. The proxy then sends this
//! target nothing, rather than a request without its credentials. No message here shows a value.

use sluicegate_crds::status::Reason;
use sluicegate_crds::target::Credentials;
use sluicegate_table::{Credential, SecretText};

use super::faults::{Checked, Fault, Problems, shown};
use super::headers;
use super::references::Scope;
use crate::objects::Objects;
use crate::problem::FieldPath;

const NO_REQUESTS: &str = "the target gets no requests";

/// The header that authenticates requests; `None` if the object is refused.
pub(super) fn credential(
    credentials: &Credentials,
    objects: &Objects,
    scope: Scope<'_>,
    field: &FieldPath,
    problems: &mut Problems,
) -> Option<Credential> {
    let header = problems.check(&field.key("header"), headers::own_name(&credentials.header));
    let source = &credentials.value_from;
    let field = field.key("valueFrom");
    let prefix = source.prefix.as_deref().unwrap_or_default();
    // The prefix may end with a space, which the value after it makes an inner one.
    let prefix_is_valid = problems.check(&field.key("prefix"), headers::value(prefix.trim_end_matches(' '))).is_some();

    let reference = &source.secret_key_ref;
    let field = field.key("secretKeyRef");
    let value = match objects.secrets.get(&scope.key(&reference.name)) {
        None => {
            let fault = scope.missing("Secret", &reference.name, &objects.secrets);
            problems.unresolved(&field.key("name"), Reason::SecretNotFound, fault.so(NO_REQUESTS));
            None
        }
        Some(secret) => match secret.0.get(&reference.key) {
            None => {
                let message = format!("the Secret {} has no key {}", shown(&reference.name), shown(&reference.key));
                problems.unresolved(&field.key("key"), Reason::SecretNotFound, Fault::invalid(message).so(NO_REQUESTS));
                None
            }
            Some(bytes) => match text(bytes).and_then(|text| headers::value(text).map(|_| text)) {
                Ok(text) => Some(SecretText::new(format!("{prefix}{text}"))),
                Err(fault) => {
                    let key = format!("{} of the Secret {}", shown(&reference.key), shown(&reference.name));
                    let message = format!("the key {key} cannot be used: {}", fault.message());
                    problems.unresolved(
                        &field.key("key"),
                        Reason::SecretNotFound,
                        Fault::invalid(message).so(NO_REQUESTS),
                    );
                    None
                }
            },
        },
    };
    let header = header?;
    prefix_is_valid.then_some(Credential { header, value })
}

/// The secret's text without the one line break at its end that editors and `echo` leave in files.
fn text(bytes: &[u8]) -> Checked<&str> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::invalid("it is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err(Fault::invalid("it is empty")) } else { Ok(text) }
}
