//! A folder of manifests as the source of objects.
