//! Reading manifests never panics, and reading them twice says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_controller::source::folder::read_documents;

fuzz_target!(|text: &str| {
    let environment = |name: &str| (name == "KEY").then(|| "value".to_owned());
    let once = read_documents("fuzz.yaml", text, &environment);
    let again = read_documents("fuzz.yaml", text, &environment);
    assert_eq!(once.objects.len(), again.objects.len());
});
