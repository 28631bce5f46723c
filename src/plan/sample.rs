//! Small stacks for the tests of this room, built in a line.

use crate::model::*;
use std::collections::{BTreeMap, BTreeSet};

/// A component under construction.
#[derive(Debug, Clone)]
pub struct Sample(pub Component);

pub fn component(name: &str) -> Sample {
    Sample(Component {
        name: ComponentName::new(name).unwrap(),
        place: Place { file: "compose.yaml".into(), line: 1 },
        image: Some(format!("{name}:1")),
        build: None,
        builder: None,
        pull: PullPolicy::Missing,
        container: ContainerSettings {
            networks: BTreeMap::from([("default".to_string(), NetworkAttachment::default())]),
            ..Default::default()
        },
        depends_on: BTreeMap::new(),
        replicas: 1,
        update: UpdateConfig::default(),
        settings: ComponentSettings::default(),
        entries: vec![],
        image_volumes: vec![],
        image_calls: Default::default(),
        called_containers: Default::default(),
        answers_http: BTreeSet::new(),
        answered: BTreeSet::new(),
        traffic: None,
    })
}

impl Sample {
    pub fn name(&self) -> ComponentName {
        self.0.name.clone()
    }
    pub fn after_with(mut self, name: &str, condition: Condition, restart: bool) -> Self {
        let dependency = Dependency { condition, required: true, restart };
        self.0.depends_on.insert(ComponentName::new(name).unwrap(), dependency);
        self
    }
    pub fn after(self, name: &str) -> Self {
        self.after_with(name, Condition::ServiceHealthy, false)
    }
    pub fn volume(mut self, key: &str, target: &str) -> Self {
        let source = MountSource::Volume { key: key.into(), no_copy: false, subpath: None };
        self.0.container.mounts.push(Mount { target: target.into(), source, read_only: false });
        self
    }
    pub fn publishes(mut self, published: u16, target: u16) -> Self {
        let port =
            Port { target, published: Some(published), host_ip: None, protocol: Protocol::Tcp, app_protocol: None };
        self.0.container.ports.push(port);
        self
    }
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.0.replicas = replicas;
        self
    }
    pub fn release_command(mut self, command: &str) -> Self {
        self.0.settings.release_command = Some(command.split(' ').map(str::to_string).collect());
        self
    }
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.0.container.environment.insert(key.into(), value.into());
        self
    }
}

pub fn stack<const N: usize>(components: [Sample; N]) -> Stack {
    stack_of(components)
}

pub fn stack_of(components: impl IntoIterator<Item = Sample>) -> Stack {
    let components: BTreeMap<_, _> = components.into_iter().map(|c| (c.name(), c.0)).collect();
    let keys = components.values().flat_map(|c| c.container.mounts.iter()).filter_map(|m| match &m.source {
        MountSource::Volume { key, .. } => Some(key.clone()),
        _ => None,
    });
    let volumes = keys
        .map(|key| {
            let volume = Volume {
                name: format!("shop_{key}"),
                external: false,
                driver: None,
                driver_opts: BTreeMap::new(),
                labels: BTreeMap::new(),
                place: None,
            };
            (key, volume)
        })
        .collect();
    let network = Network { name: "shop_default".into(), ..Network::default() };
    Stack {
        compose_project: "shop".into(),
        compose_name: None,
        components,
        networks: BTreeMap::from([("default".to_string(), network)]),
        volumes,
        settings: StrategySettings::default(),
        values: StackValues::default(),
    }
}
