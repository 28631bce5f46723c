//! Deployments: the queue of each environment, and what became of each.

use super::audit::{Action, AuditEntry, put_audit};
use super::error::query;
use super::hooks::put_hook;
use super::outbox::{NewStatus, put_status};
use super::row::{json, number, optional_number, optional_parsed, optional_text, parsed, text, to_json};
use super::{LastLines, Store, StoreError, Trigger};
use crate::model::{
    CommitId, CommitStatus, DeploymentId, DeploymentState, EnvironmentName, IllegalTransition, ProjectName, RefName,
    ReleaseId, StatusState, Transition,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// What is read of a row of `deployments`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "id, project, environment, commit_id, subject, ref, trigger, asked_by, delivery, release, previous, \
         state, description, page_key, rebuild, cancelled_by, plan, touched, created_at, started_at, \
         ended_at, host_fault, pull, now_reason, approved_by, deaths, fresh_volumes, asks, last_lines, number"
    };
}

/// A deployment that is asked for.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub subject: String,
    pub reference: Option<RefName>,
    pub trigger: Trigger,
    pub asked_by: String,
    pub delivery: Option<i64>,
    /// For a rollback: the release that is put back.
    pub release: Option<ReleaseId>,
    pub page_key: String,
    /// Build everything anew, and pull base images.
    pub rebuild: bool,
    /// Resolve the tags of images that are only named anew.
    pub pull: bool,
    /// Why it waits neither for windows and freezes nor for a yes; absent: it does.
    pub now_reason: Option<String>,
    /// What components may start on in place of what they have: names of `--fresh-volume`.
    pub fresh_volumes: Vec<String>,
}

/// A deployment as it is stored.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: DeploymentId,
    /// Counts up in its environment.
    pub number: i64,
    pub project: ProjectName,
    pub environment: EnvironmentName,
    pub commit: CommitId,
    pub subject: String,
    pub reference: Option<RefName>,
    pub trigger: Trigger,
    pub asked_by: String,
    pub delivery: Option<i64>,
    pub release: Option<ReleaseId>,
    pub previous: Option<ReleaseId>,
    pub state: DeploymentState,
    pub description: String,
    pub page_key: String,
    pub rebuild: bool,
    pub pull: bool,
    pub now_reason: Option<String>,
    /// Names of `--fresh-volume`.
    pub fresh_volumes: Vec<String>,
    /// What it would have left behind, which nobody had said yes to.
    pub asks: Vec<String>,
    pub last_lines: LastLines,
    /// Who said yes to it.
    pub approved_by: Option<String>,
    pub cancelled_by: Option<String>,
    pub plan: String,
    /// It has begun to change what runs, and that was not put back.
    pub touched: bool,
    /// It is put back for something that Launchway or the host did wrong, not the commit.
    pub host_fault: bool,
    /// How often what read or planned its commit died of it.
    pub deaths: u32,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
}

impl Deployment {
    /// `41 (production#12)`: its id, and which of its environment it is.
    pub fn named(&self) -> String {
        format!("{} ({}#{})", self.id, self.environment, self.number)
    }
}

/// What is said of a deployment that is put into a queue, and of those that it overtakes.
#[derive(Debug, Clone, Default)]
pub struct Sentences {
    pub waits: Announced,
    pub superseded: Announced,
}

/// What describes a deployment from now on, and what its commit is to show; `None`: nothing new.
#[derive(Debug, Clone, Default)]
pub struct Announced {
    pub sentence: String,
    pub status: Option<StatusText>,
}

/// A commit status before it is known of which deployment: commit, ref and the page's key stand in the deployment's row.
#[derive(Debug, Clone)]
pub struct StatusText {
    pub context: String,
    pub state: StatusState,
    pub description: String,
    /// The address of deployments' pages, without a key.
    pub pages: String,
}

impl StatusText {
    /// The status of this deployment.
    pub fn of(&self, deployment: &Deployment) -> NewStatus {
        NewStatus {
            project: deployment.project.clone(),
            deployment: Some(deployment.id),
            status: CommitStatus {
                commit: deployment.commit.clone(),
                context: self.context.clone(),
                state: self.state,
                description: self.description.clone(),
                target_url: Some(format!("{}/{}", self.pages, deployment.page_key)),
                reference: deployment.reference.as_ref().map(|reference| reference.short().to_string()),
            },
        }
    }
}

impl Store {
    /// Puts a deployment into its environment's queue. The newest waiting one wins: those that it overtakes end
    /// superseded, each with its final status, in the same transaction. Returns the new one and the overtaken.
    pub async fn add_deployment(
        &self,
        new: NewDeployment,
        sentences: Sentences,
        now_ms: i64,
    ) -> Result<(Deployment, Vec<Deployment>), StoreError> {
        let (id, overtaken) = self
            .write("queue a deployment", move |c| {
                Box::pin(async move {
                    let waiting = concat!(
                        "SELECT ",
                        columns!(),
                        " FROM deployments WHERE project = ? AND environment = ? AND state = 'waiting'"
                    );
                    let rows = sqlx::query(waiting)
                        .bind(new.project.as_str())
                        .bind(new.environment.as_str())
                        .fetch_all(&mut *c)
                        .await?;
                    let id = insert(c, &new, &sentences.waits.sentence, now_ms).await?;
                    if let Some(action) = asked_for(&new) {
                        put_audit(c, &audited(&new, action, id, now_ms)).await?;
                    }
                    let mut overtaken = Vec::new();
                    for row in &rows {
                        let mut deployment = from_row(row).map_err(decode)?;
                        deployment.state = DeploymentState::Superseded;
                        deployment.description = sentences.superseded.sentence.clone();
                        deployment.ended_ms = Some(now_ms);
                        set_state(c, &deployment, now_ms).await?;
                        // Of the same commit: the new one speaks for it.
                        if deployment.commit != new.commit
                            && let Some(status) = &sentences.superseded.status
                        {
                            put_status(c, &status.of(&deployment), now_ms).await?;
                        }
                        overtaken.push(deployment);
                    }
                    let added = read(c, DeploymentId(id)).await?;
                    if let Some(status) = &sentences.waits.status {
                        put_status(c, &status.of(&added), now_ms).await?;
                    }
                    Ok((id, overtaken))
                })
            })
            .await?;
        let added = self.deployment(DeploymentId(id)).await?;
        let added = added.ok_or_else(|| StoreError::Content(format!("deployment {id} vanished")))?;
        Ok((added, overtaken))
    }

    /// Moves a deployment on, and queues the status that says so in the same transaction, so that a deployment that
    /// ended always has a final status.
    pub async fn advance(
        &self,
        id: DeploymentId,
        transition: Transition,
        said: Announced,
        now_ms: i64,
    ) -> Result<Result<Deployment, IllegalTransition>, StoreError> {
        self.write("move a deployment on", move |c| {
            Box::pin(async move {
                let mut deployment = read(c, id).await?;
                deployment.state = match deployment.state.next(transition) {
                    Ok(state) => state,
                    Err(illegal) => return Ok(Err(illegal)),
                };
                deployment.description = said.sentence;
                deployment.started_ms = deployment.started_ms.or(Some(now_ms));
                deployment.ended_ms = deployment.state.is_end().then_some(now_ms);
                set_state(c, &deployment, now_ms).await?;
                if let Some(status) = &said.status {
                    put_status(c, &status.of(&deployment), now_ms).await?;
                }
                Ok(Ok(deployment))
            })
        })
        .await
    }

    /// The deployment with this id.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<Deployment>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE id = ?"))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a deployment"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// The deployment whose page has this key.
    pub async fn deployment_by_key(&self, key: &str) -> Result<Option<Deployment>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE page_key = ?"))
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read a deployment"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// The newest first.
    pub async fn deployments(
        &self,
        project: Option<&ProjectName>,
        environment: Option<&EnvironmentName>,
        most: u32,
    ) -> Result<Vec<Deployment>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(concat!("SELECT ", columns!(), " FROM deployments WHERE true"));
        if let Some(project) = project {
            sql.push(" AND project = ").push_bind(project.to_string());
        }
        if let Some(environment) = environment {
            sql.push(" AND environment = ").push_bind(environment.to_string());
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(most);
        let rows = sql.build().fetch_all(&self.readers).await.map_err(query("read deployments"))?;
        rows.iter().map(from_row).collect()
    }

    /// Those that have not ended, the oldest first.
    pub async fn open_deployments(&self) -> Result<Vec<Deployment>, StoreError> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE ended_at IS NULL ORDER BY id"))
            .fetch_all(&self.readers)
            .await
            .map_err(query("read open deployments"))?;
        rows.iter().map(from_row).collect()
    }

    /// The deployments that a delivery asked for, in their order.
    pub async fn deployments_of_delivery(&self, delivery: i64) -> Result<Vec<Deployment>, StoreError> {
        let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE delivery = ? ORDER BY id"))
            .bind(delivery)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read deployments"))?;
        rows.iter().map(from_row).collect()
    }

    /// The newest deployment that made a release live or tried to.
    pub async fn newest_of_release(&self, release: ReleaseId) -> Result<Option<Deployment>, StoreError> {
        let row =
            sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE release = ? ORDER BY id DESC LIMIT 1"))
                .bind(release.0)
                .fetch_optional(&self.readers)
                .await
                .map_err(query("read a deployment"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// What was live when a release went live for the first time, what was when that one did, and so on: the nearest first.
    /// Being put back does not count, as what was left then is not what came before; it is told by the number, which is
    /// higher than that of what is put back.
    pub async fn releases_before(&self, release: ReleaseId) -> Result<Vec<ReleaseId>, StoreError> {
        let sql = "WITH RECURSIVE
            first (release, previous, id) AS MATERIALIZED (SELECT release, previous, min(id) FROM deployments
                WHERE state = 'succeeded' AND release IS NOT NULL AND (previous IS NULL OR previous < release)
                GROUP BY release),
            chain (release, steps) AS (SELECT ?, 0 UNION ALL
                SELECT first.previous, steps + 1 FROM chain JOIN first ON first.release = chain.release
                WHERE first.previous IS NOT NULL)
            SELECT release FROM chain WHERE steps > 0 ORDER BY steps";
        let before: Vec<i64> = sqlx::query_scalar(sql)
            .bind(release.0)
            .fetch_all(&self.readers)
            .await
            .map_err(query("read what was live before"))?;
        Ok(before.into_iter().map(ReleaseId).collect())
    }

    /// Whether there ever was a deployment of the commit in the environment, whatever became of it.
    pub async fn was_deployed(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
        commit: &CommitId,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM deployments WHERE project = ? AND environment = ? AND commit_id = ?)";
        sqlx::query_scalar(sql)
            .bind(project.as_str())
            .bind(environment.as_str())
            .bind(commit.as_str())
            .fetch_one(&self.readers)
            .await
            .map_err(query("read deployments"))
    }

    /// Every commit that was ever put into a queue.
    pub async fn deployed_commits(&self) -> Result<Vec<(ProjectName, CommitId)>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT project, commit_id FROM deployments")
            .fetch_all(&self.readers)
            .await
            .map_err(query("read deployed commits"))?;
        rows.iter().map(|row| Ok((parsed(row, "project")?, parsed(row, "commit_id")?))).collect()
    }

    /// Releases that may stand on the engine now: what is live, and what deployments that have begun are putting live.
    pub async fn releases_in_use(&self) -> Result<Vec<ReleaseId>, StoreError> {
        let sql = "SELECT live FROM environments WHERE live IS NOT NULL UNION
            SELECT release FROM deployments WHERE ended_at IS NULL AND state != 'waiting' AND release IS NOT NULL";
        let ids: Vec<i64> =
            sqlx::query_scalar(sql).fetch_all(&self.readers).await.map_err(query("read releases in use"))?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    /// The last one that was noted, also where it was forgotten since.
    pub async fn newest_deployment(&self) -> Result<Option<DeploymentId>, StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM deployments")
            .fetch_one(&self.readers)
            .await
            .map_err(query("read deployments"))?;
        Ok(newest.map(DeploymentId))
    }

    /// Notes the release that a deployment makes live, what was live before, and its plan.
    pub async fn note_plan(
        &self,
        id: DeploymentId,
        release: ReleaseId,
        previous: Option<ReleaseId>,
        plan: String,
    ) -> Result<(), StoreError> {
        self.write("note a plan", move |c| {
            Box::pin(async move {
                sqlx::query("UPDATE deployments SET release = ?, previous = ?, plan = ?, reading = 0 WHERE id = ?")
                    .bind(release.0)
                    .bind(previous.map(|release| release.0))
                    .bind(plan)
                    .bind(id.0)
                    .execute(c)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes whose fault it is that a deployment is put back.
    pub async fn note_fault(&self, id: DeploymentId, host: bool) -> Result<(), StoreError> {
        self.write("note whose fault it is", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET host_fault = ? WHERE id = ?";
                sqlx::query(sql).bind(host).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that a deployment which had ended without being put back has been put back after all.
    pub async fn note_settled(&self, id: DeploymentId, description: String) -> Result<(), StoreError> {
        self.write("note that an environment is put right", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET touched = 0, description = ? WHERE id = ?";
                sqlx::query(sql).bind(description).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// What a deployment is doing now, as a sentence, while its state stays.
    pub async fn describe(&self, id: DeploymentId, description: String) -> Result<(), StoreError> {
        self.write("describe a deployment", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET description = ? WHERE id = ? AND ended_at IS NULL";
                sqlx::query(sql).bind(description).bind(id.0).execute(c).await?;
                Ok(())
            })
        })
        .await
    }

    /// Deployments that ended without being put back, in environments where nothing came after them.
    pub async fn unsettled_deployments(&self) -> Result<Vec<Deployment>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM deployments d WHERE state = 'failed' AND touched = 1 AND NOT EXISTS (
            SELECT 1 FROM deployments n WHERE n.project = d.project AND n.environment = d.environment
            AND n.id > d.id AND (n.touched = 1 OR n.ended_at IS NULL))"
        );
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read unsettled deployments"))?;
        rows.iter().map(from_row).collect()
    }

    /// The one of them in an environment.
    pub async fn unsettled_in(
        &self,
        project: &ProjectName,
        environment: &EnvironmentName,
    ) -> Result<Option<Deployment>, StoreError> {
        let all = self.unsettled_deployments().await?;
        Ok(all.into_iter().find(|d| d.project == *project && d.environment == *environment))
    }

    /// Notes who said yes to a deployment that waits; false when it waits no more, or somebody said yes before.
    pub async fn approve(&self, id: DeploymentId, entry: AuditEntry) -> Result<bool, StoreError> {
        self.write("note a yes", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET approved_by = ?
                    WHERE id = ? AND state = 'waiting' AND approved_by IS NULL";
                let noted = sqlx::query(sql).bind(&entry.by).bind(id.0).execute(&mut *c).await?.rows_affected() == 1;
                if noted {
                    put_audit(c, &entry).await?;
                }
                Ok(noted)
            })
        })
        .await
    }

    /// When each project was last served: the newest time at which a deployment of it began, in milliseconds since 1970.
    pub async fn last_begun(&self) -> Result<std::collections::BTreeMap<ProjectName, i64>, StoreError> {
        let sql = "SELECT project, max(started_at) AS begun FROM deployments
            WHERE started_at IS NOT NULL AND id > (SELECT max(id) FROM deployments) - 10000 GROUP BY project";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await.map_err(query("read deployments"))?;
        rows.iter().map(|row| Ok((parsed(row, "project")?, number(row, "begun")?))).collect()
    }

    /// Asks for a deployment to be cancelled; false when it has already ended.
    pub async fn ask_to_cancel(&self, id: DeploymentId, by: String) -> Result<bool, StoreError> {
        self.write("cancel a deployment", move |c| {
            Box::pin(async move {
                let sql = "UPDATE deployments SET cancelled_by = ? WHERE id = ? AND ended_at IS NULL";
                Ok(sqlx::query(sql).bind(by).bind(id.0).execute(c).await?.rows_affected() == 1)
            })
        })
        .await
    }
}

/// What a person asked for; `None` for what came by itself.
fn asked_for(new: &NewDeployment) -> Option<Action> {
    match (new.trigger, &new.now_reason) {
        (Trigger::Manual, Some(_)) => Some(Action::DeployNow),
        (Trigger::Manual, None) => Some(Action::Deploy),
        (Trigger::Rollback, _) => Some(Action::Rollback),
        (Trigger::GiveBack, _) => Some(Action::GiveBack),
        (Trigger::Push | Trigger::Found | Trigger::Redelivery, _) => None,
    }
}

fn audited(new: &NewDeployment, action: Action, id: i64, now_ms: i64) -> AuditEntry {
    AuditEntry {
        at_ms: now_ms,
        by: new.asked_by.clone(),
        action,
        project: new.project.clone(),
        environment: new.environment.clone(),
        deployment: Some(DeploymentId(id)),
        reason: new.now_reason.clone(),
    }
}

async fn insert(c: &mut SqliteConnection, new: &NewDeployment, waits: &str, now_ms: i64) -> Result<i64, sqlx::Error> {
    let sql = "INSERT INTO deployments (project, environment, commit_id, subject, ref, trigger, asked_by, delivery,
        release, state, description, page_key, rebuild, pull, now_reason, fresh_volumes, created_at, number)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            (SELECT coalesce(max(number), 0) + 1 FROM deployments WHERE project = ? AND environment = ?))";
    let done = sqlx::query(sql)
        .bind(new.project.as_str())
        .bind(new.environment.as_str())
        .bind(new.commit.as_str())
        .bind(&new.subject)
        .bind(new.reference.as_ref().map(RefName::as_str))
        .bind(new.trigger.word())
        .bind(&new.asked_by)
        .bind(new.delivery)
        .bind(new.release.map(|release| release.0))
        .bind(DeploymentState::Waiting.word())
        .bind(waits)
        .bind(&new.page_key)
        .bind(new.rebuild)
        .bind(new.pull)
        .bind(&new.now_reason)
        .bind(to_json(&new.fresh_volumes).map_err(decode)?)
        .bind(now_ms)
        // Once more: numbered marks beside plain ones would be counted apart.
        .bind(new.project.as_str())
        .bind(new.environment.as_str())
        .execute(c)
        .await?;
    Ok(done.last_insert_rowid())
}

async fn set_state(c: &mut SqliteConnection, deployment: &Deployment, now_ms: i64) -> Result<(), sqlx::Error> {
    let sql = "UPDATE deployments SET state = ?, description = ?, started_at = ?, ended_at = ? WHERE id = ?";
    sqlx::query(sql)
        .bind(deployment.state.word())
        .bind(&deployment.description)
        .bind(deployment.started_ms)
        .bind(deployment.ended_ms)
        .bind(deployment.id.0)
        .execute(&mut *c)
        .await?;
    put_hook(c, deployment, now_ms).await?;
    if deployment.state.is_end() {
        let outcome = if deployment.state == DeploymentState::Succeeded { "done" } else { deployment.state.word() };
        sqlx::query("UPDATE stages SET ended_at = ?, outcome = ? WHERE deployment = ? AND ended_at IS NULL")
            .bind(now_ms)
            .bind(outcome)
            .bind(deployment.id.0)
            .execute(c)
            .await?;
    }
    Ok(())
}

async fn read(c: &mut SqliteConnection, id: DeploymentId) -> Result<Deployment, sqlx::Error> {
    let row =
        sqlx::query(concat!("SELECT ", columns!(), " FROM deployments WHERE id = ?")).bind(id.0).fetch_one(c).await?;
    from_row(&row).map_err(decode)
}

fn decode(error: StoreError) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn from_row(row: &SqliteRow) -> Result<Deployment, StoreError> {
    Ok(Deployment {
        id: DeploymentId(number(row, "id")?),
        number: number(row, "number")?,
        project: parsed(row, "project")?,
        environment: parsed(row, "environment")?,
        commit: parsed(row, "commit_id")?,
        subject: text(row, "subject")?,
        reference: optional_parsed(row, "ref")?,
        trigger: parsed(row, "trigger")?,
        asked_by: text(row, "asked_by")?,
        delivery: optional_number(row, "delivery")?,
        release: optional_number(row, "release")?.map(ReleaseId),
        previous: optional_number(row, "previous")?.map(ReleaseId),
        state: parsed(row, "state")?,
        description: text(row, "description")?,
        page_key: text(row, "page_key")?,
        rebuild: number(row, "rebuild")? != 0,
        pull: number(row, "pull")? != 0,
        now_reason: optional_text(row, "now_reason")?,
        fresh_volumes: json(row, "fresh_volumes")?,
        asks: json(row, "asks")?,
        last_lines: json(row, "last_lines")?,
        approved_by: optional_text(row, "approved_by")?,
        cancelled_by: optional_text(row, "cancelled_by")?,
        plan: text(row, "plan")?,
        touched: number(row, "touched")? != 0,
        host_fault: number(row, "host_fault")? != 0,
        deaths: u32::try_from(number(row, "deaths")?).unwrap_or(u32::MAX),
        created_ms: number(row, "created_at")?,
        started_ms: optional_number(row, "started_at")?,
        ended_ms: optional_number(row, "ended_at")?,
    })
}
