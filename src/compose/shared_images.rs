//! Images that one service builds and others name: the others use that build. What an engine or a registry has under the name
//! may be somebody else's, or of an earlier push.

use super::circles::circles;
use super::dockerfile::{self, Settings};
use super::files::Files;
use super::origins::has_own_frontend;
use super::problems::Problems;
use super::view::View;
use super::yaml::{Node, Value};
use crate::model::{
    AdditionalContext, BuildSpec, Builders, Component, ComponentName, PullPolicy, Quoted, Stack, full_image_name,
    short_image_name,
};
use std::collections::BTreeMap;

/// Notes in the stack who uses whose build, and reports builds that need each other in a circle.
pub fn link(files: &Files<'_>, stack: &mut Stack, problems: &Problems) {
    let builders = Builders::of(stack.components.values());
    if !builders.is_empty() {
        let builds: BTreeMap<ComponentName, BuildSpec> = stack
            .components
            .values()
            .filter_map(|component| Some((component.name.clone(), component.build.clone()?)))
            .collect();
        let linking = Linking { files, builders: &builders, builds: &builds, problems };
        for component in stack.components.values_mut() {
            match component.build.take() {
                Some(build) => component.build = Some(linking.bases(component, build)),
                None => component.builder = linking.builder(component),
            }
        }
    }
    report_circles(stack, problems);
}

/// Says of which image the builder is there, but left out: then it is a name like any other, as Compose has it.
pub fn tell_left_out(file: &View<'_>, components: &BTreeMap<ComponentName, Component>) {
    let Some(services) = file.get("services").filter(|_| !file.problems.has_errors()) else { return };
    let active = Builders::of(components.values());
    let mut left_out: BTreeMap<String, &str> = BTreeMap::new();
    for (key, view) in services.entries() {
        let is_active = ComponentName::new(key).is_ok_and(|name| components.contains_key(&name));
        if let (false, Some(build)) = (is_active, view.node.get("build")) {
            let tags: &[Node] = match build.get("tags").map(|tags| &tags.value) {
                Some(Value::List(tags)) => tags,
                _ => &[],
            };
            let names = view.node.get("image").into_iter().chain(tags).filter_map(|name| name.text());
            left_out.extend(names.map(|name| (full_image_name(name), key)));
        }
    }
    for component in components.values().filter(|component| component.build.is_none()) {
        let Some(image) = &component.image else { continue };
        let is_built = !active.of_image(image, &component.name).is_empty();
        if let (false, Some(builder)) = (is_built, left_out.get(&full_image_name(image))) {
            file.problems.note(
                Some(component.place.clone()),
                format!("services.{}.image", component.name),
                format!(
                    "{builder} builds {}, and is left out because none of its profiles is wanted; so this is a name like \
                     any other, and is pulled",
                    Quoted(image)
                ),
            );
        }
    }
}

struct Linking<'a> {
    files: &'a Files<'a>,
    builders: &'a Builders,
    /// As they are written.
    builds: &'a BTreeMap<ComponentName, BuildSpec>,
    problems: &'a Problems,
}

impl Linking<'_> {
    fn warn(&self, component: &Component, key: &str, message: String) {
        let key = format!("services.{}.{key}", component.name);
        self.problems.warning(Some(component.place.clone()), key, message);
    }

    /// Whose build an image is.
    fn builder_of(&self, component: &Component, key: &str, image: &str) -> Option<ComponentName> {
        let all = self.builders.of_image(image, &component.name);
        let builder = all.first()?;
        let content = |name: &ComponentName| {
            let build = self.builds.get(name)?.clone();
            Some(BuildSpec { tags: Vec::new(), cache_from: Vec::new(), ..build })
        };
        let own = content(builder);
        if let Some(other) = all.iter().find(|other| content(other) != own) {
            let message = format!(
                "{builder} and {other} both build {}, each in its own way; {} uses the build of {builder}, which comes \
                 first. Give them different names",
                Quoted(image),
                component.name
            );
            self.warn(component, key, message);
        }
        Some(builder.clone())
    }

    /// The component whose build is the image of one that only names it.
    fn builder(&self, component: &Component) -> Option<ComponentName> {
        let image = component.image.as_ref()?;
        let builder = self.builder_of(component, "image", image)?;
        if component.pull == PullPolicy::Always {
            let message = format!(
                "{builder} builds {}; it is pulled all the same, so {} may run other code than {builder}. Without \
                 `pull_policy: always` it uses the build of {builder}",
                Quoted(image),
                component.name
            );
            self.warn(component, "pull_policy", message);
            return None;
        }
        let built_for = self.builds.get(&builder).and_then(|build| build.platform.as_deref());
        if let (Some(platform), Some(built_for)) = (&component.container.platform, built_for)
            && platform != built_for
        {
            let key = format!("services.{}.platform", component.name);
            let message =
                format!("{builder} builds {} for {built_for}, and this is to run on {platform}", Quoted(image));
            self.problems.error(Some(component.place.clone()), key, message);
        }
        Some(builder)
    }

    /// A build with the images noted that its Dockerfile or its contexts name and others build.
    fn bases(&self, component: &Component, mut build: BuildSpec) -> BuildSpec {
        for (name, context) in &mut build.additional_contexts {
            let AdditionalContext::Reference(reference) = context else { continue };
            let image = reference.strip_prefix("docker-image://");
            let key = format!("build.additional_contexts.{name}");
            if let Some(builder) = image.and_then(|image| self.builder_of(component, &key, image)) {
                *context = AdditionalContext::Component(builder);
            }
        }
        let Some(text) = self.files.dockerfile(&build).filter(|text| !has_own_frontend(&build, text)) else {
            return build;
        };
        // What cannot be read is not built: the build says so.
        let Ok(found) = dockerfile::fetched(&text, &Settings::of(&build)) else { return build };
        for reference in &found.needed {
            if let Some(builder) = self.builder_of(component, "build", reference) {
                build.bases.insert(short_image_name(reference), builder);
            }
        }
        build
    }
}

fn report_circles(stack: &Stack, problems: &Problems) {
    let bases: Vec<(&str, &str)> = stack
        .components
        .values()
        .flat_map(|component| {
            let bases = component.build.iter().flat_map(BuildSpec::built_by_others);
            bases.map(|(_, builder)| (component.name.as_str(), builder.as_str()))
        })
        .collect();
    for (first, circle) in circles(bases) {
        let place = stack.components.iter().find(|(name, _)| name.as_str() == first);
        let place = place.map(|(_, component)| component.place.clone());
        let message = format!("these components are built from each other's images in a circle: {circle}");
        problems.error(place, format!("services.{first}.build"), message);
    }
}
