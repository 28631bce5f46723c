//! A component's settings as the engine takes them.

use super::connect::ApiVersion;
use crate::model::{ContainerSettings, HealthCheck, HealthTest, RestartPolicy};
use crate::plan::{ContainerSpec, EngineNetworkMode, Target};
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig, PortBinding,
    PortMap, ResourcesUlimits, RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum,
};
use std::time::Duration;

/// All but `HostConfig` and the networks.
pub(super) fn container_config(spec: &ContainerSpec, api: ApiVersion) -> ContainerCreateBody {
    let settings = &spec.settings;
    let set = settings.environment.iter().map(|(key, value)| format!("{key}={value}"));
    // A name alone takes the image's variable away.
    let environment: Vec<String> = set.chain(settings.unset_environment.iter().cloned()).collect();
    let mut exposed: Vec<String> = settings.expose.iter().map(|port| with_protocol(port)).collect();
    exposed.extend(settings.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol.word())));
    exposed.sort();
    exposed.dedup();
    ContainerCreateBody {
        hostname: settings.hostname.clone(),
        domainname: settings.domainname.clone(),
        user: settings.user.clone(),
        exposed_ports: some_if_any(exposed),
        tty: Some(settings.tty),
        open_stdin: Some(settings.stdin_open),
        env: some_if_any(environment),
        cmd: settings.command.clone(),
        entrypoint: settings.entrypoint.clone(),
        healthcheck: settings.healthcheck.as_ref().map(|check| health_config(check, api)),
        image: Some(spec.image.clone()),
        working_dir: settings.working_dir.clone(),
        labels: Some(spec.labels.clone().into_iter().collect()),
        stop_signal: settings.stop_signal.clone(),
        stop_timeout: settings.stop_grace_period.map(whole_seconds),
        ..Default::default()
    }
}

/// All but mounts and the network's mode. `cpu_reservation_millis` is a scheduler's, a single engine has nothing for
/// it.
pub(super) fn host_config(spec: &ContainerSpec, api: ApiVersion) -> Result<HostConfig, String> {
    let settings = &spec.settings;
    let resources = &settings.resources;
    let (devices, cdi) = devices(settings)?;
    Ok(HostConfig {
        nano_cpus: resources.cpu_limit_millis.map(|millis| millis as i64 * 1_000_000),
        memory: resources.memory_limit_bytes,
        memory_reservation: resources.memory_reservation_bytes,
        memory_swap: resources.memory_swap_bytes,
        cpu_shares: resources.cpu_shares,
        cpuset_cpus: settings.cpuset.clone(),
        pids_limit: resources.pids_limit,
        restart_policy: settings.restart.map(restart_policy),
        ulimits: some_if_any(settings.ulimits.iter().map(ulimit).collect()),
        sysctls: some_if_any_pairs(&settings.sysctls),
        cap_add: some_if_any(settings.cap_add.clone()),
        cap_drop: some_if_any(settings.cap_drop.clone()),
        security_opt: some_if_any(settings.security_opt.clone()),
        privileged: Some(settings.privileged),
        readonly_rootfs: Some(settings.read_only),
        init: settings.init,
        devices: some_if_any(devices),
        device_requests: some_if_any(cdi),
        extra_hosts: some_if_any(settings.extra_hosts.iter().map(|entry| extra_host(entry)).collect()),
        dns: some_if_any(settings.dns.clone()),
        dns_search: some_if_any(settings.dns_search.clone()),
        dns_options: some_if_any(settings.dns_opt.clone()),
        group_add: some_if_any(settings.group_add.clone()),
        pid_mode: match &spec.processes_of {
            Some(Target::Existing { id, .. }) => Some(format!("container:{id}")),
            _ => namespace("pid", settings.pid.as_ref())?,
        },
        ipc_mode: namespace("ipc", settings.ipc.as_ref())?,
        uts_mode: namespace("uts", settings.uts.as_ref())?,
        userns_mode: settings.userns_mode.clone(),
        cgroup_parent: settings.cgroup_parent.clone(),
        runtime: settings.runtime.clone(),
        shm_size: settings.shm_size_bytes,
        oom_score_adj: settings.oom_score_adj,
        oom_kill_disable: settings.oom_kill_disable,
        annotations: some_if_any_pairs(&settings.annotations).filter(|_| api >= ApiVersion::ANNOTATIONS),
        // On networks of one's own, links belong to the endpoint; the default bridge knows only this old form.
        links: some_if_any(settings.links.clone()).filter(|_| spec.network == EngineNetworkMode::Bridge),
        port_bindings: port_bindings(settings),
        log_config: Some(HostConfigLogConfig {
            typ: Some(spec.logging.driver.clone().unwrap_or_default()),
            config: Some(spec.logging.options.clone().into_iter().collect()),
        }),
        ..Default::default()
    })
}

fn port_bindings(settings: &ContainerSettings) -> Option<PortMap> {
    let mut map = PortMap::new();
    for port in &settings.ports {
        let binding = PortBinding {
            host_ip: port.host_ip.clone(),
            // An empty text lets the engine choose.
            host_port: Some(port.published.map(|port| port.to_string()).unwrap_or_default()),
        };
        let key = format!("{}/{}", port.target, port.protocol.word());
        map.entry(key).or_default().get_or_insert_default().push(binding);
    }
    (!map.is_empty()).then_some(map)
}

fn health_config(check: &HealthCheck, api: ApiVersion) -> HealthConfig {
    let nanos = |time: Option<Duration>| time.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
    HealthConfig {
        test: Some(match &check.test {
            // An empty test is the image's.
            HealthTest::Inherit => Vec::new(),
            HealthTest::Disabled => vec!["NONE".into()],
            HealthTest::Exec(command) => std::iter::once("CMD".to_string()).chain(command.iter().cloned()).collect(),
            HealthTest::Shell(line) => vec!["CMD-SHELL".into(), line.clone()],
        }),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: check.retries.map(i64::from),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval).filter(|_| api >= ApiVersion::START_INTERVAL),
    }
}

fn restart_policy(policy: RestartPolicy) -> EngineRestartPolicy {
    let (name, maximum_retry_count) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure { max_retries } => (RestartPolicyNameEnum::ON_FAILURE, max_retries.map(i64::from)),
    };
    EngineRestartPolicy { name: Some(name), maximum_retry_count }
}

fn ulimit((name, limit): (&String, &crate::model::Ulimit)) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.clone()), soft: Some(limit.soft), hard: Some(limit.hard) }
}

/// `/dev/a[:/dev/b[:rwm]]`, or a CDI name such as `vendor.com/gpu=all`.
fn devices(settings: &ContainerSettings) -> Result<(Vec<DeviceMapping>, Vec<DeviceRequest>), String> {
    let mut mappings = Vec::new();
    let mut cdi = Vec::new();
    for device in &settings.devices {
        if !device.starts_with('/') && device.contains('=') {
            cdi.push(device.clone());
            continue;
        }
        let mut parts = device.splitn(3, ':');
        let host = parts.next().unwrap_or_default();
        if host.is_empty() {
            return Err(format!("{device:?} is no device: write /dev/on-host:/dev/in-container:rwm"));
        }
        let (inside, permissions) = match (parts.next(), parts.next()) {
            (Some(inside), Some(permissions)) => (inside, permissions),
            // `/dev/a:rw` is the short form of `/dev/a:/dev/a:rw`.
            (Some(permissions), None) if permissions.chars().all(|c| "rwm".contains(c)) => (host, permissions),
            (Some(inside), None) => (inside, "rwm"),
            (None, _) => (host, "rwm"),
        };
        mappings.push(DeviceMapping {
            path_on_host: Some(host.into()),
            path_in_container: Some(inside.into()),
            cgroup_permissions: Some(permissions.into()),
        });
    }
    let request =
        |device_ids| DeviceRequest { driver: Some("cdi".into()), device_ids: Some(device_ids), ..Default::default() };
    let requests = if cdi.is_empty() { Vec::new() } else { vec![request(cdi)] };
    Ok((mappings, requests))
}

/// Compose also writes `host=address`; the engine wants a colon, and IPv6 without brackets.
fn extra_host(entry: &str) -> String {
    let split = entry.split_once('=').or_else(|| entry.split_once(':'));
    let Some((host, address)) = split else { return entry.to_string() };
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    format!("{host}:{address}")
}

fn namespace(key: &str, mode: Option<&String>) -> Result<Option<String>, String> {
    if let Some(component) = mode.and_then(|mode| mode.strip_prefix("service:")) {
        return Err(format!(
            "the container of {component} is not there, which `{key}: service:{component}` needs; deploy that component too"
        ));
    }
    Ok(mode.cloned())
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_string() } else { format!("{port}/tcp") }
}

/// Rounded up: nobody gets less time than was written.
pub(super) fn whole_seconds(time: Duration) -> i64 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn some_if_any_pairs(
    pairs: &std::collections::BTreeMap<String, String>,
) -> Option<std::collections::HashMap<String, String>> {
    (!pairs.is_empty()).then(|| pairs.clone().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_in_either_form_are_the_engines() {
        assert_eq!(extra_host("db=10.0.0.1"), "db:10.0.0.1");
        assert_eq!(extra_host("db:10.0.0.1"), "db:10.0.0.1");
        assert_eq!(extra_host("db=[::1]"), "db:::1");
        assert_eq!(extra_host("host.docker.internal:host-gateway"), "host.docker.internal:host-gateway");
    }

    #[test]
    fn devices_have_short_forms() {
        let named = |devices: &[&str]| {
            let settings =
                ContainerSettings { devices: devices.iter().map(|d| d.to_string()).collect(), ..Default::default() };
            super::devices(&settings)
        };
        let (mappings, cdi) =
            named(&["/dev/a", "/dev/a:/dev/b", "/dev/a:r", "/dev/a:/dev/b:rw", "nvidia.com/gpu=all"]).unwrap();
        let text: Vec<String> = mappings
            .iter()
            .map(|d| {
                let part = |text: &Option<String>| text.clone().unwrap_or_default();
                format!("{}>{}:{}", part(&d.path_on_host), part(&d.path_in_container), part(&d.cgroup_permissions))
            })
            .collect();
        assert_eq!(text, ["/dev/a>/dev/a:rwm", "/dev/a>/dev/b:rwm", "/dev/a>/dev/a:r", "/dev/a>/dev/b:rw"]);
        assert_eq!(cdi[0].device_ids.as_ref().unwrap(), &["nvidia.com/gpu=all"]);
        assert!(named(&[":/dev/b"]).is_err());
    }

    #[test]
    fn a_grace_period_is_never_cut_short() {
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
