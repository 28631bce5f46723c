//! Images that one component of a stack builds and others name: in `image:`, in a Dockerfile, as a further context. Whoever
//! names one means that build, not what an engine or a registry happens to have under the name.

use super::{AdditionalContext, BuildSpec, Component, ComponentName, Stack, full_image_name};
use std::collections::{BTreeMap, BTreeSet};

/// Who builds the image of which name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builders {
    /// By the name with all that it leaves out. Whoever comes first in the Compose file stands first.
    by_name: BTreeMap<String, Vec<ComponentName>>,
}

impl Builders {
    /// Those of a stack's components. What a component builds is called by its `image:` and by the `tags` of its `build:`.
    pub fn of<'a>(components: impl IntoIterator<Item = &'a Component>) -> Self {
        let mut building: Vec<(&Component, &BuildSpec)> =
            components.into_iter().filter_map(|component| Some((component, component.build.as_ref()?))).collect();
        building.sort_by_key(|(component, _)| &component.place);
        let mut by_name: BTreeMap<String, Vec<ComponentName>> = BTreeMap::new();
        for (component, build) in building {
            let names = component.image.iter().chain(&build.tags).filter(|name| !name.contains('@'));
            for name in names.map(|name| full_image_name(name)).collect::<BTreeSet<_>>() {
                by_name.entry(name).or_default().push(component.name.clone());
            }
        }
        Self { by_name }
    }

    /// Whether nothing is built.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All that build an image of this name, however it is written, in the order of the Compose file. None where `asks`
    /// builds one of the name itself: `build: .` beside `image: nginx`, with `FROM nginx`, means what a registry has.
    pub fn of_image(&self, reference: &str, asks: &ComponentName) -> &[ComponentName] {
        match self.by_name.get(&full_image_name(reference)) {
            Some(builders) if !builders.contains(asks) => builders,
            _ => &[],
        }
    }
}

impl BuildSpec {
    /// What of it other components build: the name that the Dockerfile has for each, and who builds it.
    pub fn built_by_others(&self) -> impl Iterator<Item = (&str, &ComponentName)> {
        let contexts = self.additional_contexts.iter().filter_map(|(name, context)| match context {
            AdditionalContext::Component(builder) => Some((name.as_str(), builder)),
            _ => None,
        });
        contexts.chain(self.bases.iter().map(|(name, builder)| (name.as_str(), builder)))
    }
}

impl Component {
    /// Components whose builds there must be before this one's image is: those that it is built from, or the one whose
    /// build it uses.
    pub fn waits_for_builds_of(&self) -> BTreeSet<ComponentName> {
        let bases = self.build.iter().flat_map(BuildSpec::built_by_others).map(|(_, builder)| builder);
        bases.chain(&self.builder).cloned().collect()
    }
}

impl Stack {
    /// Whether a component has no image of its own, but uses another one's build.
    pub fn uses_anothers_build(&self, name: &ComponentName) -> bool {
        self.components.get(name).is_some_and(|component| component.builder.is_some())
    }

    /// How a component's image is built: its own `build:`, or that of the component whose build it uses.
    pub fn build_of<'a>(&'a self, component: &'a Component) -> Option<&'a BuildSpec> {
        let builder = component.builder.as_ref().and_then(|builder| self.components.get(builder));
        component.build.as_ref().or(builder.and_then(|builder| builder.build.as_ref()))
    }
}
