//! Who sits at the command line, for statuses and pages.

use std::os::unix::fs::MetadataExt;

/// `anna at the command line`: the user, and with sudo the one who called it.
pub fn at_the_command_line() -> String {
    let uid = std::fs::metadata("/proc/self").map(|about| about.uid()).ok();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    format!("{} at the command line", name(uid, &users, set("SUDO_USER"), set("USER")))
}

fn name(uid: Option<u32>, passwd: &str, sudo_user: Option<String>, user: Option<String>) -> String {
    if let (Some(0), Some(caller)) = (uid, sudo_user) {
        return caller;
    }
    let of_line = |line: &str| {
        let mut parts = line.split(':');
        let (name, id) = (parts.next()?, parts.nth(1)?);
        (Some(id.parse().ok()?) == uid).then(|| name.to_string())
    };
    // What the system says before what the environment says: $USER is anything.
    let known = passwd.lines().find_map(of_line).or(user);
    known.unwrap_or_else(|| uid.map_or_else(|| "somebody".to_string(), |uid| format!("user {uid}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_names_the_caller() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        let name = |uid, sudo: Option<&str>, user: Option<&str>| {
            super::name(uid, passwd, sudo.map(str::to_string), user.map(str::to_string))
        };
        assert_eq!(name(Some(1000), None, Some("bob")), "anna");
        assert_eq!(name(Some(0), Some("anna"), Some("root")), "anna");
        assert_eq!(name(Some(1000), Some("root"), None), "anna");
        assert_eq!(name(Some(10001), None, None), "user 10001");
        assert_eq!(name(None, None, Some("bob")), "bob");
    }
}
