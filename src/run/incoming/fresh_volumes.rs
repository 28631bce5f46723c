//! Names of `--fresh-volume`, looked at before anything is queued: a typing error should not cost a deployment.

use crate::model::Quoted;
use crate::run::ground::refusal::Refusal;

/// Refuses the first of the names for which nothing waits, and says for what something does: both are names of
/// `--fresh-volume`.
pub fn refuse_idle(idle: &[String], waiting: &[String]) -> Result<(), Refusal> {
    let Some(name) = idle.first() else { return Ok(()) };
    let instead = match waiting {
        [] => "nothing waits for a yes, so leave it out".to_string(),
        _ => {
            let mut names: Vec<String> = waiting.iter().map(|name| Quoted(name).to_string()).collect();
            names.sort();
            names.dedup();
            format!("what waits for a yes is {}", names.join(", "))
        }
    };
    Err(Refusal::NotFound(format!("--fresh-volume {}: no component would start on it; {instead}", Quoted(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(idle: &[&str], waiting: &[&str]) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let refused = refuse_idle(&owned(idle), &owned(waiting));
        refused.map_or_else(|refusal| crate::model::Mask::default().sentence(&refusal.to_string()), |()| "fine".into())
    }

    #[test]
    fn a_name_that_nothing_waits_for_is_refused_with_those_that_there_are() {
        assert_eq!(told(&[], &["shop_data"]), "fine");
        insta::assert_snapshot!(told(&["data"], &["shop_data", "db:/var/lib", "shop_data"]), @"--fresh-volume data: no component would start on it; what waits for a yes is db:/var/lib, shop_data");
        insta::assert_snapshot!(told(&["data"], &[]), @"--fresh-volume data: no component would start on it; nothing waits for a yes, so leave it out");
    }
}
