//! A folder of manifests as the source of objects.
//!
//! What a cluster would say of a manifest is said here too, with its place: text → tree with spans (`yaml`) → what
//! kubectl's YAML means (`yaml::scalars`) → the generated schema and its CEL rules (`schema`) → typed objects
//! (`documents`) → a folder's objects, where nothing that is broken takes down what is not (`reader`).

mod contents;
mod document;
mod documents;
mod file;
mod files;
mod finding;
mod identity;
mod reader;
mod schema;
mod secrets;
mod suggest;
mod watch;
mod yaml;

pub use contents::Folder;
pub use document::Content;
pub use documents::{Incomplete, Object, Origin, Parsed, read_documents};
pub use file::{Place, Position, SourceFile};
pub use files::FolderError;
pub use finding::{Finding, Reason, Style};
pub use reader::{Reader, read};
pub(super) use schema::check_spec;
pub use watch::{Watch, watch};
