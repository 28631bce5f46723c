//! What `docker compose config` printed, in the form in which it is compared.

use super::{plain, sorted, without};
use crate::compose::units;
use crate::model::RepoPath;
use serde_json::{Map, Value, json};

/// What Compose printed, in a form that both can be brought into. A key that is not known here is an error, so that
/// nothing is left uncompared by accident.
pub fn of_answer(said: &Value) -> Value {
    let section = |name: &str, map: fn(&Value) -> Value| -> Value {
        let entries = said[name].as_object().cloned().unwrap_or_default();
        entries.into_iter().map(|(key, value)| (key, map(&value))).collect::<Map<_, _>>().into()
    };
    let texts = said.clone();
    let services = said["services"].as_object().unwrap().iter();
    let services: Map<_, _> = services.map(|(name, service)| (name.clone(), their_service(service, &texts))).collect();
    json!({
        "services": services,
        "networks": section("networks", their_network),
        "volumes": section("volumes", |volume| without(volume, &[])),
    })
}
fn their_network(network: &Value) -> Value {
    // `true` is the engine's own way; `false` is refused.
    let mut map = without(network, &["ipam", "enable_ipv4"]);
    map["ipam"] = network["ipam"]["config"].as_array().cloned().unwrap_or_default().into();
    map["ipam_driver"] = network["ipam"]["driver"].clone();
    map
}
fn millis(value: &Value) -> Value {
    value.as_str().and_then(units::duration).map_or(Value::Null, |d| (d.as_millis() as u64).into())
}

fn number(value: &Value) -> Value {
    match value {
        Value::String(text) => text.parse::<i64>().map_or_else(|_| text.clone().into(), Value::from),
        Value::Number(number) if number.is_f64() => number.clone().into(),
        other => other.clone(),
    }
}

/// In thousandths of a core; less than one is no limit.
fn cpu(value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    units::cpu_millis(&text).filter(|millis| *millis > 0).into()
}

fn first(a: Value, b: Value) -> Value {
    if a.is_null() { b } else { a }
}

fn their_service(service: &Value, all: &Value) -> Value {
    let mut out = Map::new();
    let deploy = &service["deploy"];
    for (key, value) in plain(service).as_object().unwrap() {
        let compared = match key.as_str() {
            "image" | "environment" | "cpuset" | "command" | "entrypoint" | "user" | "working_dir" | "hostname"
            | "domainname" | "labels" | "annotations" | "container_name" | "links" | "dns" | "dns_search"
            | "dns_opt" | "cap_add" | "cap_drop" | "privileged" | "read_only" | "tty" | "stdin_open"
            | "stop_signal" | "sysctls" | "security_opt" | "group_add" | "pid" | "ipc" | "uts" | "userns_mode"
            | "cgroup_parent" | "runtime" | "platform" | "mac_address" | "oom_score_adj" | "oom_kill_disable" => {
                value.clone()
            }
            "init" => value.clone(),
            "network_mode" => value.clone(),
            "expose" => sorted(value.as_array().unwrap().iter().flat_map(|port| exposed(port.as_str().unwrap()))),
            "extra_hosts" => {
                sorted(value.as_array().unwrap().iter().map(|h| h.as_str().unwrap().replacen('=', ":", 1).into()))
            }
            "ports" => sorted(value.as_array().unwrap().iter().map(|port| {
                json!([
                    port["host_ip"],
                    number(&port["published"]),
                    port["target"],
                    port["protocol"],
                    port["app_protocol"]
                ])
            })),
            "networks" => value
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (k.clone(), without(v, &[])))
                .collect::<Map<_, _>>()
                .into(),
            // One that is left out and need not be there is left out with us.
            "depends_on" => value
                .as_object()
                .unwrap()
                .iter()
                .filter(|(k, v)| v["required"] == true || all["services"].get(k).is_some())
                .map(|(k, v)| {
                    (
                        k.clone(),
                        json!([
                            v["condition"],
                            v["required"].as_bool().unwrap_or(false),
                            v["restart"].as_bool().unwrap_or(false)
                        ]),
                    )
                })
                .collect::<Map<_, _>>()
                .into(),
            "healthcheck" => {
                let disabled = value["disable"] == true || value["test"][0] == "NONE";
                let test = if disabled { json!(["NONE"]) } else { value["test"].clone() };
                json!({"test": test, "interval": millis(&value["interval"]), "timeout": millis(&value["timeout"]),
                    "start_period": millis(&value["start_period"]), "start_interval": millis(&value["start_interval"]),
                    "retries": value["retries"]})
            }
            "stop_grace_period" => millis(value),
            "shm_size" => number(value),
            "ulimits" => value
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (k.clone(), both_limits(v)))
                .collect::<Map<_, _>>()
                .into(),
            "logging" => without(value, &[]),
            "build" => their_build(value, all),
            "devices" => value
                .as_array()
                .unwrap()
                .iter()
                .map(|d| {
                    format!(
                        "{}:{}:{}",
                        d["source"].as_str().unwrap(),
                        d["target"].as_str().unwrap(),
                        d["permissions"].as_str().unwrap()
                    )
                })
                .collect(),
            "pull_policy" if value == "missing" => Value::Null,
            "pull_policy" => value.clone(),
            "volumes" | "tmpfs" | "configs" | "secrets" | "volumes_from" => continue,
            // What engines do by themselves.
            "cgroup" if value == "private" => continue,
            "isolation" if value == "default" => continue,
            // Read below, or without meaning on one host.
            "develop" | "deploy" | "scale" | "restart" | "cpus" | "mem_limit" | "mem_reservation" | "memswap_limit"
            | "cpu_shares" | "pids_limit" | "attach" | "profiles" => continue,
            other => panic!("{other} is not compared"),
        };
        out.insert(key.clone(), compared);
    }
    let (limits, reserved) = (&deploy["resources"]["limits"], &deploy["resources"]["reservations"]);
    out.insert("replicas".into(), first(first(service["scale"].clone(), deploy["replicas"].clone()), 1.into()));
    out.insert(
        "resources".into(),
        json!({
            "cpus": first(cpu(&limits["cpus"]), cpu(&service["cpus"])),
            "memory": number(&first(limits["memory"].clone(), service["mem_limit"].clone())),
            "pids": first(limits["pids"].clone(), service["pids_limit"].clone()),
            "cpus reserved": cpu(&reserved["cpus"]),
            "memory reserved": number(&first(reserved["memory"].clone(), service["mem_reservation"].clone())),
            "swap": number(&service["memswap_limit"]),
            "shares": service["cpu_shares"],
        }),
    );
    out.insert(
        "restart".into(),
        match &deploy["restart_policy"] {
            Value::Object(policy) => {
                let condition = policy.get("condition").and_then(Value::as_str).unwrap_or("any");
                let tries = policy.get("max_attempts").map(|n| format!(":{n}")).unwrap_or_default();
                match condition {
                    "none" => "no".into(),
                    "any" => "always".into(),
                    word => format!("{word}{tries}").into(),
                }
            }
            _ => service["restart"].clone(),
        },
    );
    let update = &deploy["update_config"];
    out.insert(
        "update".into(),
        json!([
            update["parallelism"],
            millis(&update["delay"]),
            millis(&update["monitor"]),
            update["failure_action"],
            update["max_failure_ratio"],
            update["order"]
        ]),
    );
    out.insert("mounts".into(), sorted(their_mounts(&plain(service), all)));
    out.retain(|_, value| !value.is_null() && *value != json!({}) && *value != json!(false));
    out.into()
}

fn both_limits(limit: &Value) -> Value {
    if limit.is_object() { json!([limit["soft"], limit["hard"]]) } else { json!([limit, limit]) }
}

/// Each port of a range by itself, with its protocol.
fn exposed(text: &str) -> Vec<Value> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let numbers = first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap();
    numbers.map(|port| format!("{port}/{protocol}").into()).collect()
}

fn their_build(build: &Value, all: &Value) -> Value {
    let mut map = without(
        build,
        &["platforms", "secrets", "extra_hosts", "ulimits", "shm_size", "additional_contexts", "provenance", "sbom"],
    );
    let context =
        RepoPath::new(build["context"].as_str().unwrap().trim_start_matches("/project").trim_start_matches('/'))
            .unwrap();
    let dockerfile = context.join(build["dockerfile"].as_str().unwrap_or("Dockerfile")).unwrap();
    map["context"] = context.to_string().into();
    map["dockerfile"] = dockerfile.to_string().into();
    map["platform"] = build["platforms"][0].clone();
    map["secrets"] = build["secrets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|secret| {
            let source = &all["secrets"][secret["source"].as_str().unwrap()];
            json!([first(secret["target"].clone(), secret["source"].clone()), source["environment"].as_str().is_some()])
        })
        .collect();
    map["extra_hosts"] = build["extra_hosts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|h| h.as_str().unwrap().replacen('=', ":", 1))
        .collect();
    map["ulimits"] = build["ulimits"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), both_limits(v)))
        .collect::<Map<_, _>>()
        .into();
    map["shm_size"] = number(&build["shm_size"]);
    map["contexts"] = build["additional_contexts"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.as_str().unwrap().replace("/project/", "").into()))
        .collect::<Map<_, _>>()
        .into();
    without(&map, &[])
}

/// `[target, kind, source, options]` of each mount. Files of the commit are always read-only with us, so there the flag
/// is not compared.
fn their_mounts(service: &Value, all: &Value) -> Vec<Value> {
    let mut mounts: Vec<Value> = Vec::new();
    for text in service["tmpfs"].as_array().into_iter().flatten() {
        let (target, options) = text.as_str().unwrap().split_once(':').unwrap_or((text.as_str().unwrap(), ""));
        mounts.push(json!([cleaned(target), "tmpfs", options, false]));
    }
    for volume in service["volumes"].as_array().into_iter().flatten() {
        let read_only = volume["read_only"].as_bool().unwrap_or(false);
        let (target, source) =
            (cleaned(volume["target"].as_str().unwrap()), volume["source"].as_str().unwrap_or_default());
        mounts.push(match volume["type"].as_str().unwrap() {
            "bind" => match source.strip_prefix("/project") {
                Some(path) => {
                    json!([target, "commit", RepoPath::new(path.trim_start_matches('/')).unwrap().to_string(), true])
                }
                None => {
                    json!([target, "host", [without_slash(source), volume["bind"]["propagation"]], read_only])
                }
            },
            "volume" => {
                let options = &volume["volume"];
                json!([target, "volume", [source, options["nocopy"] == true, options["subpath"]], read_only])
            }
            _ => match (&volume["tmpfs"]["size"], &volume["tmpfs"]["mode"]) {
                (Value::Null, Value::Null) => json!([target, "tmpfs", "", read_only]),
                (size, mode) => json!([target, "tmpfs", [number(size), mode], read_only]),
            },
        });
    }
    for (section, folder) in [("configs", "/"), ("secrets", "/run/secrets/")] {
        for item in service[section].as_array().into_iter().flatten() {
            let name = item["target"].as_str().or(item["source"].as_str()).unwrap();
            let target = if name.starts_with('/') { name.to_string() } else { format!("{folder}{name}") };
            let entry = &all[section][item["source"].as_str().unwrap()];
            mounts.push(match entry["file"].as_str() {
                Some(file) => json!([target, "commit", file.trim_start_matches("/project/"), true]),
                None => {
                    let name = entry["environment"].as_str().unwrap_or_default();
                    let text = first(entry["content"].clone(), all["variables"][name].clone());
                    json!([target, "text", [plain(&text), item["uid"], item["gid"], item["mode"]], true])
                }
            });
        }
    }
    for text in service["volumes_from"].as_array().into_iter().flatten() {
        let (other, mode) = text.as_str().unwrap().split_once(':').unwrap_or((text.as_str().unwrap(), "rw"));
        for mut mount in their_mounts(&plain(&all["services"][other]), all) {
            mount[3] = json!(mode == "ro" || mount[3] == true);
            if mount[1] != "tmpfs" && mounts.iter().all(|own| own[0] != mount[0]) {
                mounts.push(mount);
            }
        }
    }
    mounts
}

/// A target without `.` and `..`, as the engine would name it.
fn cleaned(target: &str) -> String {
    let parts = target.split('/').fold(Vec::new(), |mut parts, part| {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
        parts
    });
    format!("/{}", parts.join("/"))
}

fn without_slash(path: &str) -> &str {
    if path == "/" { path } else { path.trim_end_matches('/') }
}
