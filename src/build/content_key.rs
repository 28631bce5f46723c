//! A content key names what an image is made of. Equal keys are never built twice, on any branch.

use super::BuildError;
use super::context::{Context, ContextEntry, Dockerfile};
use crate::model::{AdditionalContext, BuildSpec, ComponentName, ContentKey, EntryKind, Tree};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts up when the same content must be built anew, because this file or what is sent has changed its meaning.
const VERSION: &str = "launchway content key 1";

/// Content keys, and what their contexts came to before: most contexts of a push are those of the push before it.
/// Cheap to clone; clones share their memory.
#[derive(Clone, Default)]
pub struct ContentKeys {
    contexts: Arc<Mutex<HashMap<ContextIdentity, [u8; 32]>>>,
}

/// A context's folder by git's id, and its ignore file: together they say what is sent.
type ContextIdentity = (String, [u8; 32]);

/// Forgotten all at once when there are more: they are quickly found out again.
const MAX_CONTEXTS: usize = 10_000;

impl ContentKeys {
    /// As [`content_key`].
    pub fn key(
        &self,
        tree: &dyn Tree,
        spec: &BuildSpec,
        platform: &str,
        images: &BTreeMap<ComponentName, String>,
    ) -> Result<ContentKey, BuildError> {
        key_of(self, tree, spec, platform, images)
    }

    fn digest(&self, tree: &dyn Tree, context: &Context) -> Result<[u8; 32], BuildError> {
        let identity = (context.tree_id.clone(), context.ignore_digest);
        let known = self.contexts.lock().unwrap_or_else(PoisonError::into_inner).get(&identity).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let digest = digest(&context.listing(tree)?);
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if contexts.len() >= MAX_CONTEXTS {
            contexts.clear();
        }
        contexts.insert(identity, digest);
        Ok(digest)
    }
}

/// The key of what `spec` builds from `tree`.
///
/// `platform` is the engine's (`linux/amd64`), which counts where the Compose file names none. `images` says what the
/// other components that it is built from (`service:NAME`, or their images' names in the Dockerfile) are, as their own content
/// key or digest.
///
/// In it: the context after its ignore file, Dockerfile, args, target, platform, labels, additional contexts, the ids
/// of secrets, and what a `RUN` can see of its surroundings. Not in it: values of secrets, cache settings, and base
/// images that move.
pub fn content_key(
    tree: &dyn Tree,
    spec: &BuildSpec,
    platform: &str,
    images: &BTreeMap<ComponentName, String>,
) -> Result<ContentKey, BuildError> {
    key_of(&ContentKeys::default(), tree, spec, platform, images)
}

fn key_of(
    memory: &ContentKeys,
    tree: &dyn Tree,
    spec: &BuildSpec,
    platform: &str,
    images: &BTreeMap<ComponentName, String>,
) -> Result<ContentKey, BuildError> {
    let mut key = Key::new();
    key.field("platform", spec.platform.as_deref().unwrap_or(platform));
    match &spec.dockerfile_inline {
        Some(text) => key.field("dockerfile_inline", text),
        None => key.field("dockerfile", &Dockerfile::entry(tree, spec)?.id),
    }
    key.context(memory, tree, &Context::of(tree, spec)?)?;
    for (name, value) in &spec.args {
        key.pair("arg", name, value);
    }
    key.field("target", spec.target.as_deref().unwrap_or_default());
    for (name, value) in &spec.labels {
        key.pair("label", name, value);
    }
    for secret in &spec.secrets {
        key.field("secret", &secret.id);
    }
    let image_of = |name: &str, builder: &ComponentName| {
        images.get(builder).ok_or_else(|| BuildError::Unsupported {
            what: format!("{name}, the image of service {builder},"),
            why: "there is no component of this name that has an image".to_string(),
        })
    };
    for (name, context) in &spec.additional_contexts {
        match context {
            AdditionalContext::Folder(folder) => {
                key.pair("additional folder", name, "");
                key.context(memory, tree, &Context::additional(tree, folder)?)?;
            }
            AdditionalContext::Reference(reference) => key.pair("additional reference", name, reference),
            AdditionalContext::Component(builder) => key.pair("additional image", name, image_of(name, builder)?),
        }
    }
    for (name, builder) in &spec.bases {
        key.pair("base image", name, image_of(name, builder)?);
    }
    key.field("network", spec.network.as_deref().unwrap_or_default());
    for host in &spec.extra_hosts {
        key.field("host", host);
    }
    key.field("shm", &spec.shm_size_bytes.map(|bytes| bytes.to_string()).unwrap_or_default());
    for (name, limit) in &spec.ulimits {
        key.pair("ulimit", name, &format!("{}:{}", limit.soft, limit.hard));
    }
    Ok(key.finish())
}

/// A hash over named fields, each with its length, so that no two different lists of fields read alike.
struct Key(Sha256);

impl Key {
    fn new() -> Self {
        let mut key = Self(Sha256::new());
        key.text(VERSION);
        key
    }

    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn field(&mut self, name: &str, value: &str) {
        self.text(name);
        self.text(value);
    }

    fn pair(&mut self, what: &str, name: &str, value: &str) {
        self.field(what, name);
        self.text(value);
    }

    /// Without an ignore file git's own id of the folder says it all, whatever the folder's size.
    fn context(&mut self, memory: &ContentKeys, tree: &dyn Tree, context: &Context) -> Result<(), BuildError> {
        if context.ignore.is_empty() {
            self.field("context tree", &context.tree_id);
        } else {
            self.field("context entries", &hex::encode(memory.digest(tree, context)?));
        }
        Ok(())
    }

    fn finish(self) -> ContentKey {
        let hash = hex::encode(self.0.finalize());
        ContentKey::new(hash).unwrap_or_else(|error| unreachable!("SHA-256 in hex is a content key: {error}"))
    }
}

fn digest(entries: &[ContextEntry]) -> [u8; 32] {
    let mut key = Key::new();
    for entry in entries {
        let kind = match entry.kind {
            EntryKind::File => "file",
            EntryKind::Executable => "executable",
            EntryKind::Symlink => "symlink",
            EntryKind::Directory | EntryKind::Submodule => "folder",
        };
        key.pair(kind, &entry.path, &entry.id);
    }
    key.0.finalize().into()
}

#[cfg(test)]
mod tests;
