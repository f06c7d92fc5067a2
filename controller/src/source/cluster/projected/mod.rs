//! Objects as the API server shows them, cut down while they are read to what is used of them.
//!
//! Most of an object is `managedFields`, annotations and status of others. What is not named here is skipped by the
//! parser and never held. Everything that the API server may leave out has a default, so that no object, whoever wrote
//! it and by whatever release, fails the list that it is in.

mod metadata;
mod own;
mod referenced;
mod service;

pub(super) use metadata::{Metadata, Named, Version};
pub(super) use own::OwnObject;
pub(super) use referenced::{ConfigMapContent, MetadataOnly, SecretContent};
pub(super) use service::{AddressType, Endpoint, ServiceObject, Slice, slices_of};
