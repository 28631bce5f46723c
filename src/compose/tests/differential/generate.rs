//! Compose projects by chance: the same seed gives the same project.

use super::forms;

/// One project, and how Compose is called for it.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub files: Vec<CaseFile>,
    /// The Compose files, `-f` each.
    pub compose: Vec<String>,
    pub profiles: Vec<String>,
}

/// A file in pieces of which each can be left out: so a failing case is made smaller.
#[derive(Debug, Clone, Default)]
pub struct CaseFile {
    pub path: String,
    pub pieces: Vec<String>,
}

impl CaseFile {
    fn new(path: &str) -> Self {
        Self { path: path.into(), pieces: Vec::new() }
    }
    fn add(&mut self, piece: impl Into<String>) {
        self.pieces.push(piece.into());
    }
    pub fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// splitmix64: small, and the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
    /// So many different ones, in no order.
    fn some<'a, T>(&mut self, count: usize, of: &'a [T]) -> Vec<&'a T> {
        let mut places: Vec<usize> = (0..of.len()).collect();
        let count = count.min(of.len());
        for at in 0..count {
            let other = at + self.below(of.len() - at);
            places.swap(at, other);
        }
        places[..count].iter().map(|place| &of[*place]).collect()
    }
}

/// What a file is made for.
struct Kind {
    services: &'static [&'static str],
    /// Whether each service says what it runs: a file that is put over another need not.
    whole: bool,
    /// Beside other files: `!reset` and `!override` mean something.
    over: bool,
}

pub fn case(seed: u64) -> Case {
    made(seed, true)
}

/// What no engine has by itself, or what keeps one from creating a container here.
const NOT_HERE: &[&str] = &[
    "container:",
    "external:",
    "/srv/",
    "nfs",
    "container_name:",
    "scale:",
    "replicas:",
    "platform:",
    "pull_policy:",
    "include:",
    "extends:",
    "profiles:",
    "runtime:",
    "syslog",
];

/// A project of which an engine can create every container: of one image, without odd lines.
pub fn case_for_an_engine(seed: u64, image: &str) -> Case {
    let mut case = made(seed, false);
    case.profiles.clear();
    for file in case.files.iter_mut().filter(|file| file.path.ends_with(".yaml")) {
        let mut in_build = false;
        for piece in &mut file.pieces {
            in_build = piece.starts_with("    build:") || in_build && piece.starts_with("      ");
            if in_build || NOT_HERE.iter().any(|words| piece.contains(words)) {
                piece.clear();
            } else if piece.starts_with("    image:") {
                *piece = String::new();
            } else if piece.starts_with("  ") && !piece.starts_with("   ") && file.path != "base.yaml" {
                // Below `services:` alone a name ends its line.
                if piece.ends_with(":\n") {
                    piece.push_str(&format!("    image: {image}\n"));
                }
            }
        }
    }
    case
}

fn made(seed: u64, may_be_odd: bool) -> Case {
    let mut dice = Dice::new(seed);
    let mut case = Case { compose: vec!["compose.yaml".into()], ..Case::default() };
    let mut main = CaseFile::new("compose.yaml");
    let names = &["a", "b", "c"][..1 + dice.below(3)];
    if dice.percent(12) {
        main.add("include: [inc/compose.yaml]\n");
        case.files.push(included(&mut dice));
    }
    if dice.percent(20) {
        main.add(
            "x-common: &common\n  labels: {common: x, own: theirs}\n  restart: always\n  environment: {COMMON: 1}\n",
        );
        services(&mut dice, &mut main, &Kind { services: names, whole: true, over: false }, true);
    } else {
        services(&mut dice, &mut main, &Kind { services: names, whole: true, over: false }, false);
    }
    sections(&mut dice, &mut main, true);
    if dice.percent(35) && may_be_odd {
        odd(&mut dice, &mut main);
    } else if dice.percent(40) {
        let mut over = CaseFile::new("override.yaml");
        services(&mut dice, &mut over, &Kind { services: names, whole: false, over: true }, false);
        sections(&mut dice, &mut over, false);
        case.compose.push("override.yaml".into());
        case.files.push(over);
    }
    if main.text().contains("base.yaml") {
        case.files.push(base(&mut dice));
    }
    if dice.percent(40) {
        case.profiles.push(["debug", "extra", "*", "none"][dice.below(4)].into());
    }
    case.files.insert(0, main);
    surroundings(&mut dice, &mut case);
    case
}

fn services(dice: &mut Dice, file: &mut CaseFile, kind: &Kind, common: bool) {
    file.add("services:\n");
    for name in kind.services {
        file.add(format!("  {name}:\n"));
        if kind.whole && common && dice.percent(60) {
            file.add("    <<: *common\n");
        }
        let other = kind.services.iter().find(|other| *other > name);
        service(dice, file, kind, other.copied());
    }
}

fn service(dice: &mut Dice, file: &mut CaseFile, kind: &Kind, other: Option<&str>) {
    if kind.whole {
        match dice.below(10) {
            0 | 1 => build(dice, file),
            2 => file.add("    build: ./ctx\n    image: shop/own:1\n"),
            3 if other.is_some() => file.add(format!(
                "    extends: {}\n    image: busybox:1\n",
                ["{other}", "{service: {other}}", "{file: base.yaml, service: base}"][dice.below(3)]
                    .replace("{other}", other.unwrap_or_default())
            )),
            _ => {
                let images = [
                    "busybox",
                    "busybox:1.36",
                    "\"reg.example:5000/a/b:${NUMBER}\"",
                    "a/b@sha256:0123456789012345678901234567890123456789012345678901234567890123",
                ];
                file.add(format!("    image: {}\n", dice.one(&images)));
            }
        }
    } else if dice.percent(20) {
        file.add("    image: other:2\n");
    }
    let count = 1 + dice.below(7);
    let mut keys: Vec<(&str, &str)> =
        dice.some(count, forms::SERVICE).into_iter().map(|(key, forms)| (*key, *dice.one(forms))).collect();
    let count = dice.below(3);
    for (key, forms) in dice.some(count, forms::RELATED) {
        keys.push((key, *dice.one(forms)));
    }
    let joins = |keys: &[(&str, &str)], key: &str| keys.iter().any(|(other, _)| *other == key);
    let twice = joins(&keys, "network_mode");
    let mut written = Vec::new();
    for (key, form) in keys {
        // Two ways to be on networks: Compose refuses that, and the odd cases have it.
        let against =
            twice && ["networks", "ports", "links", "mac_address", "hostname", "extra_hosts", "dns"].contains(&key);
        if written.contains(&key) || against || form.contains("{other}") && other.is_none() {
            continue;
        }
        written.push(key);
        let is_empty = ["", "null"].contains(&form);
        let tag = match (kind.over && !is_empty, dice.below(20)) {
            (true, 0) => "!override ",
            (true, 1) => "!reset ",
            _ => "",
        };
        file.add(line(key, tag, &form.replace("{other}", other.unwrap_or_default())));
    }
    if dice.percent(20) {
        file.add("    deploy:\n");
        let count = 1 + dice.below(3);
        for (key, forms) in dice.some(count, forms::DEPLOY) {
            file.add(format!("      {key}: {}\n", dice.one(forms)));
        }
    }
}

fn line(key: &str, tag: &str, form: &str) -> String {
    let ends = if form.ends_with('\n') { "" } else { "\n" };
    format!("    {key}: {tag}{form}{ends}")
}

fn build(dice: &mut Dice, file: &mut CaseFile) {
    file.add("    build:\n");
    let count = 1 + dice.below(5);
    let keys = dice.some(count, forms::BUILD);
    let has = |name: &str| keys.iter().any(|(key, _)| *key == name);
    if !has("context") {
        file.add("      context: ./ctx\n");
    }
    let both = has("dockerfile") && has("dockerfile_inline");
    for (key, forms) in keys {
        if both && *key == "dockerfile" {
            continue;
        }
        let form = dice.one(forms);
        let ends = if form.ends_with('\n') { "" } else { "\n" };
        file.add(format!("      {key}: {form}{ends}"));
    }
}

/// Top-level networks, volumes, configs and secrets: all of them in a first file, some in one that is put over it.
fn sections(dice: &mut Dice, file: &mut CaseFile, all: bool) {
    let sections = [
        ("networks", forms::NETWORKS),
        ("volumes", forms::VOLUMES),
        ("configs", forms::CONFIGS),
        ("secrets", forms::SECRETS),
    ];
    for (section, entries) in sections {
        if !all && !dice.percent(25) {
            continue;
        }
        file.add(format!("{section}:\n"));
        for (name, forms) in entries {
            if (!all && dice.percent(50)) || (*name == "default" && dice.percent(80)) {
                continue;
            }
            let form = dice.one(forms);
            let ends = if form.ends_with('\n') { "" } else { "\n" };
            file.add(format!("  {name}: {form}{ends}"));
        }
    }
}

/// One thing that may be wrong, somewhere in a service or at the file's end.
fn odd(dice: &mut Dice, file: &mut CaseFile) {
    if dice.percent(15) {
        let line = *dice.one(forms::ODD_AT_THE_TOP);
        let key = format!("{}:", line.split(':').next().unwrap_or_default());
        if let Some(at) = file.pieces.iter().position(|piece| piece.starts_with(&key)) {
            let end = file.pieces[at + 1..].iter().position(|piece| !piece.starts_with(' '));
            file.pieces.drain(at..end.map_or(file.pieces.len(), |end| at + 1 + end));
        }
        file.add(format!("{line}\n"));
        return;
    }
    // What is left out is checked for its keys only, so nothing is left out here.
    file.pieces.retain(|piece| !piece.starts_with("    profiles:"));
    let line = *dice.one(forms::ODD);
    let key = format!("    {}:", line.split(':').next().unwrap_or_default());
    let Some(first) = file.pieces.iter().position(|piece| piece == "  a:\n") else { return };
    let until = file.pieces[first + 1..].iter().position(|piece| !piece.starts_with("    "));
    let until = until.map_or(file.pieces.len(), |end| first + 1 + end);
    let below = |piece: &str| piece.starts_with("      ");
    let mut at = first + 1;
    let mut end = until;
    while at < end {
        if file.pieces[at].starts_with(&key) {
            file.pieces.remove(at);
            end -= 1;
            while at < end && below(&file.pieces[at]) {
                file.pieces.remove(at);
                end -= 1;
            }
        } else {
            at += 1;
        }
    }
    file.pieces.insert(first + 1, format!("    {line}\n"));
}

/// A project of its own folder, with its own `.env`.
fn included(dice: &mut Dice) -> CaseFile {
    let mut file = CaseFile::new("inc/compose.yaml");
    file.add("services:\n  inside:\n    image: \"inside:${INSIDE:-none}\"\n");
    let forms = [
        "    environment: [INSIDE, \"X=${INSIDE}\", \"Y=${A}\"]\n",
        "    env_file: here.env\n",
        "    volumes: [\"./here.env:/here:ro\"]\n",
        "    build: .\n",
        "    labels: {a: \"${NUMBER}\"}\n",
        "    networks: [own]\n",
        "    environment: {INSIDE: , A: }\n",
    ];
    let count = dice.below(4);
    let mut keys = Vec::new();
    for form in dice.some(count, &forms) {
        let key = form.split(':').next().unwrap_or_default();
        if !keys.contains(&key) {
            keys.push(key);
            file.add(*form);
        }
    }
    file.add("networks: {own: {}}\n");
    file
}

/// What a service of another file extends.
fn base(dice: &mut Dice) -> CaseFile {
    let mut file = CaseFile::new("base.yaml");
    file.add("services:\n  base:\n    image: base\n");
    let count = 1 + dice.below(5);
    for (key, forms) in dice.some(count, forms::SERVICE) {
        let form = *dice.one(forms);
        file.add(line(key, "", form));
    }
    file
}

/// Env files, what is built and what is mounted.
fn surroundings(dice: &mut Dice, case: &mut Case) {
    for path in [".env", "one.env", "two.env", "conf/three.env"] {
        let mut file = CaseFile::new(path);
        let count = dice.below(9);
        for line in dice.some(count, forms::DOTENV) {
            // The project's own variables: a bare name takes none there.
            file.add(format!("{line}\n"));
        }
        case.files.push(file);
    }
    let fixed = [
        ("raw.env", "A=$A\nB='x' # y\nC=\"z\"\nD= e \n"),
        ("inc/.env", "INSIDE=in\n"),
        ("inc/here.env", "HERE=${INSIDE}\n"),
        ("inc/Dockerfile", "FROM scratch\n"),
        ("labels.txt", "one=1\ntwo=\"2\"\n"),
        ("conf/more.txt", "three=${A}\n"),
        ("conf/a.conf", "made up"),
        ("data.txt", "made up"),
        ("ctx/Dockerfile", "FROM scratch AS final\n"),
        ("ctx/Dockerfile.alt", "FROM scratch\n"),
        ("ctx/sub/Dockerfile", "FROM scratch\n"),
        ("Dockerfile", "FROM scratch\n"),
    ];
    for (path, text) in fixed {
        case.files.push(CaseFile { path: path.into(), pieces: vec![text.into()] });
    }
}
