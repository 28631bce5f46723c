//! What the instructions of a Dockerfile name: images, and sources of `ADD` that are not in the commit.

use super::hosts::remote;
use super::lines::{DIALECTS, Dialect, Instruction, instructions, is_blank};
use super::reached::Stages;
use super::words::{UNKNOWN, Values, expand, words};
use crate::model::{AdditionalContext, BuildSpec, full_image_name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Variables and triggers of all stages together may have so many bytes.
const MOST_KEPT: usize = 16 << 20;

/// What surrounds the Dockerfile.
#[derive(Default)]
pub struct Settings<'a> {
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Further contexts, and the image that one is: their names go before images of that name.
    pub contexts: BTreeMap<String, Option<String>>,
    /// The stage that is built; the last one where it is absent.
    pub target: Option<String>,
    /// The engine's (`linux/amd64`), where it is known, and the one that is built for.
    pub platforms: Option<(&'a str, &'a str)>,
    /// The variables of an image and its `ONBUILD` instructions, where the image was looked at.
    pub bases: BTreeMap<String, Base>,
}

impl Settings<'_> {
    /// What the Compose file says around a Dockerfile.
    pub fn of(build: &BuildSpec) -> Self {
        let image = |context: &AdditionalContext| match context {
            AdditionalContext::Reference(text) => text.strip_prefix("docker-image://").map(str::to_string),
            _ => None,
        };
        let contexts = build.additional_contexts.iter().map(|(name, context)| (name.clone(), image(context))).collect();
        Self { args: build.args.clone(), contexts, target: build.target.clone(), ..Self::default() }
    }
}

/// What an image brings along that others are built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    pub environment: BTreeMap<String, String>,
    /// Its `ONBUILD` instructions, without that word.
    pub triggers: Vec<String>,
}

/// An image that is named (`FROM`, `COPY --from`, `RUN --mount=from=`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    pub line: u32,
    /// `None`: it cannot be known before it is built.
    pub reference: Option<String>,
    /// `FROM`: its variables and `ONBUILD` instructions count.
    pub is_base: bool,
    /// Of `FROM --platform=`.
    pub platform: Option<Platform>,
}

/// The platform of one image of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    Known(String),
    /// It cannot be known before it is built.
    Unknown,
}

/// A source of `ADD` that the engine would fetch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Remote {
    pub line: u32,
    /// As far as it is known, for people.
    pub source: String,
    /// `example.com`, `example.com:8443`; `None`: which host it is cannot be told.
    pub host: Option<String>,
}

/// What a Dockerfile would have the engine fetch, whichever version of BuildKit reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fetched {
    pub images: BTreeSet<Image>,
    /// The references of those without which the stage that is built cannot be: other stages are left out by BuildKit.
    pub needed: BTreeSet<String>,
    pub remotes: BTreeSet<Remote>,
}

/// One place at which the text names an image that the build needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Naming {
    /// The instruction's lines.
    pub lines: (u32, u32),
    /// The word that names it, as it is written: the base of `FROM`, or a whole flag.
    pub word: String,
    /// The same with its variables put in and its quotes taken off, split where the name stands.
    pub plain: (String, String, String),
}

/// # Errors
/// The line, and why no BuildKit would read it.
pub fn fetched(text: &str, settings: &Settings<'_>) -> Result<Fetched, (u32, String)> {
    if text.contains(UNKNOWN) {
        return Err((1, "it holds a NUL, and is no text".into()));
    }
    let mut all: Option<Fetched> = None;
    let mut wrong = None;
    for dialect in DIALECTS {
        match one(text, dialect, settings) {
            Ok(found) => {
                let all = all.get_or_insert_default();
                all.images.extend(found.images);
                all.needed.extend(found.needed);
                all.remotes.extend(found.remotes);
            }
            Err(why) => {
                wrong.get_or_insert(why);
            }
        }
    }
    match (all, wrong) {
        (Some(all), _) => Ok(all),
        (None, Some(wrong)) => Err(wrong),
        (None, None) => Ok(Fetched::default()),
    }
}

fn one(text: &str, dialect: Dialect, settings: &Settings<'_>) -> Result<Fetched, (u32, String)> {
    let mut walk = walked(text, dialect, settings)?;
    walk.found.needed = walk.uses.reached(settings.target.as_deref());
    Ok(walk.found)
}

/// Where the text names images.
pub(super) fn namings(
    text: &str,
    dialect: Dialect,
    settings: &Settings<'_>,
) -> Result<BTreeSet<Naming>, (u32, String)> {
    Ok(walked(text, dialect, settings)?.namings)
}

fn walked<'a>(text: &str, dialect: Dialect, settings: &'a Settings<'a>) -> Result<Walk<'a>, (u32, String)> {
    let (instructions, escape) = instructions(text, dialect)?;
    let mut walk = Walk { settings, escape, globals: globals(settings), ..Walk::default_with(settings) };
    for instruction in &instructions {
        walk.lines = (instruction.line, instruction.last);
        walk.take(instruction, 0)?;
    }
    Ok(walk)
}

/// Arguments that exist without being declared.
fn globals(settings: &Settings<'_>) -> Values {
    let mut globals = Values::new();
    for (prefix, platform) in [("BUILD", settings.platforms.map(|p| p.0)), ("TARGET", settings.platforms.map(|p| p.1))]
    {
        let mut parts = platform.unwrap_or_default().splitn(3, '/').map(str::to_string);
        let mut part = || match platform {
            Some(_) => parts.next().unwrap_or_default(),
            None => UNKNOWN.to_string(),
        };
        let (os, arch, variant) = (part(), part(), part());
        let whole = platform.map_or(UNKNOWN.to_string(), str::to_string);
        for (name, value) in [("PLATFORM", whole), ("OS", os), ("ARCH", arch), ("VARIANT", variant)] {
            let name = format!("{prefix}{name}");
            let value = settings.args.get(&name).cloned().unwrap_or(value);
            globals.insert(name, value);
        }
    }
    globals
}

/// What is known in one stage.
#[derive(Debug, Clone, Default)]
struct Stage {
    environment: Values,
    args: Values,
    triggers: Vec<(u32, String)>,
    /// All that a variable could be is known: nothing comes from an image that nobody looked at.
    is_known: bool,
}

impl Stage {
    /// A variable of the image goes before an argument of its name.
    fn values(&self) -> [&Values; 2] {
        [&self.environment, &self.args]
    }

    fn bytes(&self) -> usize {
        let values = self.environment.iter().chain(&self.args).map(|(name, value)| name.len() + value.len());
        let triggers = self.triggers.iter().map(|(_, text)| text.len());
        values.chain(triggers).sum()
    }

    fn missing(&self) -> Option<&'static str> {
        self.is_known.then_some("")
    }
}

struct Walk<'a> {
    settings: &'a Settings<'a>,
    escape: char,
    globals: Values,
    /// Those that have ended, by name in lower case.
    stages: BTreeMap<String, Stage>,
    names: Vec<String>,
    now: Option<Stage>,
    now_is: Option<String>,
    /// What each stage is made of.
    uses: Stages,
    /// The lines of the instruction that is read, and whether only whoever builds on the image carries it out.
    lines: (u32, u32),
    is_deferred: bool,
    namings: BTreeSet<Naming>,
    found: Fetched,
    /// Bytes of variables that were kept, each as often as a stage took it over.
    kept: usize,
}

impl<'a> Walk<'a> {
    fn default_with(settings: &'a Settings<'a>) -> Self {
        Self {
            settings,
            escape: '\\',
            globals: Values::new(),
            stages: BTreeMap::new(),
            names: Vec::new(),
            now: None,
            now_is: None,
            uses: Stages::default(),
            lines: (0, 0),
            is_deferred: false,
            namings: BTreeSet::new(),
            found: Fetched::default(),
            kept: 0,
        }
    }

    /// Whether nothing more is kept: then what the rest of it fetches cannot be told, which is a finding of its own.
    fn is_full(&self) -> bool {
        self.kept > MOST_KEPT
    }

    fn keep(&mut self, bytes: usize, line: u32) {
        self.kept += bytes;
        if self.is_full() {
            let source = format!("what variables of more than {MOST_KEPT} bytes in all name");
            self.found.remotes.insert(Remote { line, source, host: None });
        }
    }

    fn take(&mut self, instruction: &Instruction, depth: usize) -> Result<(), (u32, String)> {
        let Instruction { name, rest, line, .. } = instruction;
        if self.is_full() {
            return Ok(());
        }
        match name.as_str() {
            "from" => self.from(rest, *line)?,
            "arg" => self.arg(rest, *line),
            "env" => self.env(rest, *line),
            "add" => self.add(rest, *line),
            "copy" => self.copy(rest, *line),
            "run" => self.run(rest, *line),
            "onbuild" => {
                if let Some(stage) = &mut self.now {
                    stage.triggers.push((*line, rest.clone()));
                    self.keep(rest.len(), *line);
                }
                // Whoever builds on it would fetch it.
                self.is_deferred = true;
                self.trigger(rest, *line, depth)?;
                self.is_deferred = false;
            }
            _ => {}
        }
        Ok(())
    }

    fn trigger(&mut self, text: &str, line: u32, depth: usize) -> Result<(), (u32, String)> {
        let (name, rest) = text.split_once(is_blank).unwrap_or((text, ""));
        let name = name.to_lowercase();
        if depth > 0 || matches!(name.as_str(), "from" | "onbuild" | "maintainer") {
            return Err((line, format!("ONBUILD {} is no instruction", name.to_uppercase())));
        }
        self.take(&Instruction { name, rest: rest.trim().to_string(), line, last: line }, depth + 1)
    }

    fn from(&mut self, rest: &str, line: u32) -> Result<(), (u32, String)> {
        self.end_stage();
        let mut platform = None;
        let mut left = Vec::new();
        for word in words(rest, self.escape) {
            match word.strip_prefix("--platform=") {
                Some(text) => {
                    let text = known(expand(text, &[&self.globals], Some(""), self.escape));
                    platform = Some(text.map_or(Platform::Unknown, Platform::Known));
                }
                None if word.starts_with("--") => {}
                None => left.push(word),
            }
        }
        let base = left.first().map(|word| expand(word, &[&self.globals], Some(""), self.escape)).unwrap_or_default();
        let name = match left.as_slice() {
            [_, word, name, ..] if word.eq_ignore_ascii_case("as") => Some(name.to_lowercase()),
            _ => None,
        };
        let mut stage = Stage::default();
        self.uses.begin(name.clone());
        if let Some(earlier) = self.stages.get(&base.to_lowercase()) {
            stage = Stage { args: Values::new(), ..earlier.clone() };
            self.uses.stage(&base);
        } else if base == "scratch" {
            stage.is_known = true;
        } else if let Some(base) = self.image_of(base) {
            let reference = known(base);
            if let (Some(reference), Some(word)) = (&reference, left.first()) {
                self.uses.image(reference);
                let plain = (String::new(), reference.clone(), String::new());
                self.namings.insert(Naming { lines: self.lines, word: word.clone(), plain });
            }
            if let Some(looked_at) = reference.as_ref().and_then(|reference| self.settings.bases.get(reference)) {
                stage.environment = looked_at.environment.clone();
                stage.triggers = looked_at.triggers.iter().map(|trigger| (line, trigger.clone())).collect();
                stage.is_known = true;
            }
            self.found.images.insert(Image { line, reference, is_base: true, platform });
        }
        self.keep(stage.bytes(), line);
        let triggers = std::mem::take(&mut stage.triggers);
        self.now = Some(stage);
        self.names.extend(name.clone());
        self.now_is = name;
        for (line, text) in triggers {
            self.trigger(&text, line, 0)?;
        }
        Ok(())
    }

    /// What was said of the stage counts for those that begin from it.
    fn end_stage(&mut self) {
        let Some(stage) = self.now.take() else { return };
        if let Some(name) = self.now_is.take() {
            self.stages.insert(name, stage);
        }
    }

    /// The image that a name stands for; `None`: it is another context.
    fn image_of(&self, name: String) -> Option<String> {
        // BuildKit looks a context up by the shortest form of a name.
        let full = full_image_name(&name);
        let is_it = |context: &str| context.eq_ignore_ascii_case(&name) || full_image_name(context) == full;
        match self.settings.contexts.iter().find(|(context, _)| is_it(context)) {
            Some((_, image)) => image.clone(),
            None => Some(name),
        }
    }

    fn arg(&mut self, rest: &str, line: u32) {
        for word in words(rest, self.escape) {
            let (name, default) = match word.split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (word, None),
            };
            let set = self.settings.args.get(&name).cloned();
            match &mut self.now {
                None => {
                    let default = default.map(|text| expand(&text, &[&self.globals], Some(""), self.escape));
                    let value = set.or(default).or(self.globals.get(&name).cloned());
                    let bytes = value.as_ref().map_or(0, |value| name.len() + value.len());
                    self.globals.extend(value.map(|value| (name, value)));
                    self.keep(bytes, line);
                }
                Some(stage) => {
                    let default = default.map(|text| expand(&text, &stage.values(), stage.missing(), self.escape));
                    let value = set.or(default).or(self.globals.get(&name).cloned()).unwrap_or_default();
                    let bytes = name.len() + value.len();
                    stage.args.insert(name, value);
                    self.keep(bytes, line);
                }
            }
        }
    }

    fn env(&mut self, rest: &str, line: u32) {
        let Some(stage) = &mut self.now else { return };
        let (before, missing, escape) = (stage.values(), stage.missing(), self.escape);
        let mut said = Values::new();
        let first = rest.split(is_blank).next().unwrap_or_default();
        if !first.contains('=') {
            let value = rest[first.len()..].trim();
            said.insert(first.to_string(), expand(value, &before, missing, escape));
        } else {
            for word in words(rest, escape) {
                let Some((name, value)) = word.split_once('=') else { continue };
                let name = expand(name, &before, missing, escape);
                said.insert(name, expand(value, &before, missing, escape));
            }
        }
        let bytes = said.iter().map(|(name, value)| name.len() + value.len()).sum();
        stage.environment.extend(said);
        self.keep(bytes, line);
    }

    fn expanded(&self, word: &str) -> String {
        match &self.now {
            Some(stage) => expand(word, &stage.values(), stage.missing(), self.escape),
            None => expand(word, &[], None, self.escape),
        }
    }

    /// Its sources, and where they go, which does no harm.
    fn add(&mut self, rest: &str, line: u32) {
        let flags = rest.split(is_blank).filter(|word| !word.is_empty()).take_while(|word| word.starts_with("--"));
        let flags = flags.count();
        let plain = rest.split(is_blank).filter(|word| !word.is_empty()).skip(flags);
        let mut sources: Vec<String> = plain.map(str::to_string).collect();
        let list = sources.join(" ");
        if list.starts_with('[') {
            // Only the first value of it is read, and what follows is left out.
            let first = serde_json::Deserializer::from_str(&list).into_iter::<Vec<String>>().next();
            match first {
                Some(Ok(words)) => sources = words,
                // Other readers of JSON may take what ours does not.
                _ if list.contains([':', '@', '\\', '$']) => {
                    self.found.remotes.insert(Remote { line, source: list.clone(), host: None });
                }
                _ => {}
            }
        }
        for source in sources {
            if source.starts_with("<<") {
                continue;
            }
            let source = self.expanded(&source);
            if let Some(host) = remote(&source) {
                let source = source.replace(UNKNOWN, "$...");
                self.found.remotes.insert(Remote { line, source, host });
            }
        }
    }

    /// As they are written, and without quotes and escapes, which may stand anywhere in them. A flag's blank is escaped by `\`
    /// whatever else escapes.
    fn flags(&self, rest: &str) -> BTreeSet<(String, String)> {
        let all = ['\\', self.escape].into_iter().flat_map(|escape| {
            words(rest, escape).into_iter().take_while(|word| word.starts_with("--")).collect::<Vec<_>>()
        });
        let plain = |word: &str| word.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
        all.map(|word| (plain(&word), word)).map(|(plain, word)| (word, plain)).collect()
    }

    fn copy(&mut self, rest: &str, line: u32) {
        for (word, flag) in self.flags(rest) {
            if flag.starts_with("--from=") {
                self.named((&word, &flag), "--from=".len()..flag.len(), line);
            }
        }
    }

    fn run(&mut self, rest: &str, line: u32) {
        for (word, flag) in self.flags(rest) {
            let Some(mount) = flag.strip_prefix("--mount=") else { continue };
            let mut at = "--mount=".len();
            for part in mount.split(',') {
                if let Some((key, _)) = part.split_once('=')
                    && key.trim().eq_ignore_ascii_case("from")
                {
                    self.named((&word, &flag), at + key.len() + 1..at + part.len(), line);
                }
                at += part.len() + 1;
            }
        }
    }

    /// An image, unless a stage or a context has the name, which stands at `from` in the flag.
    fn named(&mut self, (word, flag): (&str, &str), from: Range<usize>, line: u32) {
        let name = self.expanded(&flag[from.clone()]);
        let lower = name.to_lowercase();
        let is_stage = self.names.contains(&lower) || lower.parse::<u32>().is_ok();
        if is_stage {
            self.uses.stage(&lower);
        }
        if is_stage || name == "scratch" {
            return;
        }
        let Some(name) = self.image_of(name) else { return };
        let reference = known(name);
        if let Some(reference) = reference.as_ref().filter(|_| !self.is_deferred) {
            self.uses.image(reference);
            let plain = (flag[..from.start].to_string(), reference.clone(), flag[from.end..].to_string());
            self.namings.insert(Naming { lines: self.lines, word: word.to_string(), plain });
        }
        self.found.images.insert(Image { line, reference, is_base: false, platform: None });
    }
}

fn known(text: String) -> Option<String> {
    (!text.contains(UNKNOWN) && !text.is_empty()).then_some(text)
}
