//! The installation's own configuration: `sluicegate.yaml`.
