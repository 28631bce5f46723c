//! Which environment or deployment a command is for.

use super::client::Client;
use crate::model::{DeploymentId, ReleaseId};
use crate::web::wire::{DeploymentDetails, DeploymentSummary};
use anyhow::bail;
use std::fmt;
use std::str::FromStr;

/// An environment by its names, as far as they have to be said.
#[derive(Debug, Default, clap::Args)]
pub struct Which {
    /// Which environment: PROJECT ENVIRONMENT, PROJECT/ENVIRONMENT, or one name where only one environment can be meant
    #[arg(value_name = "PLACE", num_args = 0..=2)]
    place: Vec<String>,
    /// Which project
    #[arg(short, long, value_name = "NAME")]
    project: Option<String>,
    /// Which environment
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
}

/// What was said of an environment. A single word is the environment's; the server knows whether it is a project's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub project: Option<String>,
    pub environment: Option<String>,
}

impl Named {
    /// As a query of the server.
    pub fn query(&self) -> Vec<(&str, &str)> {
        let project = self.project.as_deref().map(|name| ("project", name));
        project.into_iter().chain(self.environment.as_deref().map(|name| ("environment", name))).collect()
    }

    /// Whether this is an environment that was meant, if any was.
    pub fn fits(&self, project: &str, environment: &str) -> bool {
        let is = |said: &Option<String>, name: &str| said.as_deref().is_none_or(|said| said == name);
        let is_project_alone = self.project.is_none() && self.environment.as_deref() == Some(project);
        is_project_alone || (is(&self.project, project) && is(&self.environment, environment))
    }
}

impl Which {
    /// # Errors
    /// The same thing is said twice.
    pub fn named(self) -> anyhow::Result<Named> {
        let Self { place, project, environment } = self;
        let words: Vec<String> = place.iter().flat_map(|word| word.split('/')).map(str::to_string).collect();
        let said = place.join(" ");
        Ok(match (words.as_slice(), project, environment) {
            ([], project, environment) => Named { project, environment },
            ([environment], Some(project), None) => {
                Named { project: Some(project), environment: Some(environment.clone()) }
            }
            ([project], None, Some(environment)) => {
                Named { project: Some(project.clone()), environment: Some(environment) }
            }
            ([word], None, None) => Named { project: None, environment: Some(word.clone()) },
            ([project, environment], None, None) => {
                Named { project: Some(project.clone()), environment: Some(environment.clone()) }
            }
            ([_] | [_, _], _, _) => bail!("{said} and -p or -e name the same twice: say it in one of these ways"),
            _ => bail!("{said} is no place: write PROJECT ENVIRONMENT or PROJECT/ENVIRONMENT"),
        })
    }
}

/// A deployment as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichDeployment {
    Id(DeploymentId),
    /// `production#12`, `shop/production#12`.
    InPlace {
        project: Option<String>,
        environment: String,
        number: i64,
    },
}

impl FromStr for WhichDeployment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} names no deployment: write its number (12), or its number in its environment (production#12); \
                 `launchway deployments` lists them"
            )
        };
        match text.split_once('#') {
            None | Some(("", _)) => text.trim_start_matches('#').parse().map(Self::Id).map_err(|_| wrong()),
            Some((place, number)) => {
                let number = number.parse().map_err(|_| wrong())?;
                let (project, environment) = match place.split_once('/') {
                    Some((project, environment)) => (Some(project.to_string()), environment.to_string()),
                    None => (None, place.to_string()),
                };
                Ok(Self::InPlace { project, environment, number })
            }
        }
    }
}

impl fmt::Display for WhichDeployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::InPlace { project: Some(project), environment, number } => {
                write!(f, "{project}/{environment}#{number}")
            }
            Self::InPlace { project: None, environment, number } => write!(f, "{environment}#{number}"),
        }
    }
}

impl WhichDeployment {
    /// Its id, which the server knows.
    pub async fn id(&self, client: &Client) -> anyhow::Result<DeploymentId> {
        let (project, environment, number) = match self {
            Self::Id(id) => return Ok(*id),
            Self::InPlace { project, environment, number } => (project, environment, number),
        };
        let number = number.to_string();
        let mut query = vec![("environment", environment.as_str()), ("number", number.as_str())];
        query.extend(project.as_deref().map(|name| ("project", name)));
        let found: Vec<DeploymentSummary> = client.get("/v1/deployments", &query).await?;
        match found.as_slice() {
            [only] => Ok(only.id),
            [] => bail!("there is no deployment {self}; `launchway deployments` lists them"),
            several => {
                let names = several.iter().map(|d| format!("{}/{self} ({})", d.project, d.id));
                bail!("several projects have a {self}; name one: {}", names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A release as somebody names it: by its number, or by a deployment that made it live or would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichRelease {
    Id(ReleaseId),
    OfDeployment(WhichDeployment),
}

impl FromStr for WhichRelease {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('#') {
            Some((place, _)) if !place.is_empty() => text.parse().map(Self::OfDeployment),
            _ => text.parse().map(Self::Id).map_err(|_| {
                format!(
                    "{text:?} names no release: write its number (41), or the deployment of it (production#12); \
                     `launchway releases` lists them"
                )
            }),
        }
    }
}

impl WhichRelease {
    /// Its id, which the server knows.
    pub async fn id(&self, client: &Client) -> anyhow::Result<ReleaseId> {
        let named = match self {
            Self::Id(id) => return Ok(*id),
            Self::OfDeployment(named) => named,
        };
        let id = named.id(client).await?;
        let details: DeploymentDetails = client.get(&format!("/v1/deployments/{id}"), &[]).await?;
        match details.summary.release {
            Some(release) => Ok(release),
            None => bail!("deployment {named} came to no release; `launchway releases` lists those that there are"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str], project: Option<&str>, environment: Option<&str>) -> String {
        let text = |text: &str| text.to_string();
        let place = words.iter().copied().map(text).collect();
        let which = Which { place, project: project.map(text), environment: environment.map(text) };
        match which.named() {
            Ok(Named { project, environment }) => {
                format!("{}/{}", project.as_deref().unwrap_or("-"), environment.as_deref().unwrap_or("-"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_place_is_named_in_each_of_the_usual_ways() {
        assert_eq!(named(&[], None, None), "-/-");
        for (words, project, environment) in [
            (&["shop", "production"][..], None, None),
            (&["shop/production"], None, None),
            (&["production"], Some("shop"), None),
            (&["shop"], None, Some("production")),
            (&[], Some("shop"), Some("production")),
        ] {
            assert_eq!(named(words, project, environment), "shop/production", "{words:?} {project:?} {environment:?}");
        }
        assert_eq!(named(&["production"], None, None), "-/production");
        assert!(named(&["shop", "production"], Some("shop"), None).contains("name the same twice"));
        assert!(named(&["a/b/c"], None, None).contains("a/b/c is no place"));
    }

    #[test]
    fn a_deployment_is_named_by_its_number_or_by_its_number_in_its_environment() {
        let id = WhichDeployment::Id(DeploymentId(12));
        assert_eq!(("12".parse(), "#12".parse()), (Ok(id.clone()), Ok(id)));
        for text in ["production#3", "shop/production#3"] {
            assert_eq!(text.parse::<WhichDeployment>().unwrap().to_string(), text);
        }
        let wrong = "abc".parse::<WhichDeployment>().unwrap_err();
        assert!(wrong.starts_with("\"abc\" names no deployment: write its number (12)"), "{wrong}");
        assert!("production#x".parse::<WhichDeployment>().is_err());
    }

    #[test]
    fn a_release_is_named_by_its_number_or_by_its_deployment() {
        assert_eq!("41".parse(), Ok(WhichRelease::Id(ReleaseId(41))));
        let deployment = "production#3".parse().unwrap();
        assert_eq!("production#3".parse(), Ok(WhichRelease::OfDeployment(deployment)));
        let wrong = "abc".parse::<WhichRelease>().unwrap_err();
        assert!(wrong.starts_with("\"abc\" names no release: write its number (41)"), "{wrong}");
    }
}
