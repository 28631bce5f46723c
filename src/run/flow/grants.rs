//! A release held against launchway.toml and against what others have: what it takes that is not its own.

use crate::model::{EdgeAddress, Observed, Problem, Release};
use crate::plan::grants::{Grantee, Grants};
use crate::plan::neighbours::clashes;
use crate::plan::{externals, hosts, networks, shared_names};
use crate::run::ground::deployer::Deployer;
use crate::store::StoreError;
use std::collections::BTreeSet;
use url::Url;

impl Deployer {
    /// What a release takes and may not, after what is `live`. Only a commit is held against it: going back is never refused.
    pub async fn refused(
        &self,
        release: &Release,
        live: Option<&Release>,
        observed: &Observed,
    ) -> Result<Vec<Problem>, StoreError> {
        self.refused_beside(release, live, &self.others(release).await?, observed).await
    }

    /// The same beside what [`Self::others`] found.
    pub(in crate::run) async fn refused_beside(
        &self,
        release: &Release,
        live: Option<&Release>,
        others: &[Release],
        observed: &Observed,
    ) -> Result<Vec<Problem>, StoreError> {
        let grants = self.grants(release);
        let mut kept = self.store.kept_volumes(&release.project, &release.environment).await?;
        kept.extend(self.kept(release, live, observed));
        let mut problems = externals::refused(release, observed, &grants, &kept);
        problems.extend(hosts::refused(release, others, &grants));
        problems.extend(networks::refused(release, others, observed, &grants));
        problems.extend(shared_names::refused(release, others, &grants.allow));
        Ok(problems)
    }

    /// Volumes that the release names and its environment had under another Compose project.
    pub fn kept(&self, release: &Release, live: Option<&Release>, observed: &Observed) -> BTreeSet<String> {
        live.map(|live| externals::kept(release, live, observed, &self.grants(release))).unwrap_or_default()
    }

    /// What two environments would both take, whichever way the deployment goes.
    pub(in crate::run) fn met(&self, release: &Release, others: &[Release]) -> Vec<Problem> {
        let shared_paths = self.grants(release).allow.shared_paths;
        others.iter().flat_map(|other| clashes(release, other, &shared_paths)).collect()
    }

    /// Releases that other environments of launchway.toml have or are about to have. What still runs of an environment that
    /// is no longer there, only the engine knows.
    pub(in crate::run) async fn others(&self, release: &Release) -> Result<Vec<Release>, StoreError> {
        let config = self.config();
        let is_set = |other: &Release| {
            let project = config.projects.get(&other.project);
            project.is_some_and(|project| project.environments.contains_key(&other.environment))
        };
        let mut others = Vec::new();
        for id in self.store.releases_in_use().await? {
            let other = self.store.release(id).await?.filter(is_set);
            let is_other =
                |other: &Release| (&other.project, &other.environment) != (&release.project, &release.environment);
            others.extend(other.filter(is_other));
        }
        Ok(others)
    }

    fn grants(&self, release: &Release) -> Grants {
        let config = self.config();
        let all = config.projects.values().flat_map(|project| {
            project.environments.values().map(|environment| Grantee {
                project: project.name.clone(),
                environment: environment.name.clone(),
                compose_project: environment.compose_project.clone(),
                hosts: environment.hosts.clone(),
            })
        });
        let own_host = Url::parse(&config.public_url).ok().and_then(|url| url.host_str().map(str::to_string));
        let listens = [Some(config.listen), config.metrics].into_iter().flatten();
        Grants {
            allow: config.projects.get(&release.project).map(|project| project.allow.clone()).unwrap_or_default(),
            all: all.collect(),
            own_host,
            own_ports: listens.map(|at| EdgeAddress { host_ip: Some(at.ip()), port: at.port() }).collect(),
        }
    }
}
