//! Images as the engine had them: their ids, and what they are based on.

use super::error::query;
use super::row::{json, number, optional_number, optional_parsed, parsed, text, to_json};
use super::{Store, StoreError};
use crate::model::{ComponentName, ContentKey, DeploymentId, ImageIdentity, ProjectName, ReleaseId};
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;

/// What is read of a row of `images`, in every query that reads whole ones.
macro_rules! columns {
    () => {
        "reference, project, component, image_id, content_key, anew, bases, made_at"
    };
}

/// An image that was built, or pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedImage {
    /// What containers are created from: the tag of what is built, the digest or id of what is pulled.
    pub reference: String,
    pub project: ProjectName,
    pub component: ComponentName,
    /// As the engine said it.
    pub image_id: String,
    /// Of what is built.
    pub content_key: Option<ContentKey>,
    /// The deployment that built it anew although its content had been built before.
    pub anew: Option<DeploymentId>,
    /// As the Dockerfile names them -> the digest or id that each had.
    pub bases: BTreeMap<String, String>,
    /// When it was built, or seen for the first time.
    pub made_ms: i64,
}

/// One component's image in a release.
#[derive(Debug, Clone)]
pub struct ReleaseImage {
    pub component: ComponentName,
    pub identity: ImageIdentity,
    /// Absent until the engine had it.
    pub noted: Option<NotedImage>,
}

impl Store {
    /// Notes an image, in place of what was noted under its reference.
    pub async fn note_image(&self, image: NotedImage) -> Result<(), StoreError> {
        let bases = to_json(&image.bases)?;
        self.write("note an image", move |c| {
            Box::pin(async move {
                let sql = "INSERT OR REPLACE INTO images
                    (reference, project, component, image_id, content_key, anew, bases, made_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                sqlx::query(sql)
                    .bind(&image.reference)
                    .bind(image.project.as_str())
                    .bind(image.component.as_str())
                    .bind(&image.image_id)
                    .bind(image.content_key.as_ref().map(ContentKey::as_str))
                    .bind(image.anew.map(|deployment| deployment.0))
                    .bind(bases)
                    .bind(image.made_ms)
                    .execute(c)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// What was noted under a reference.
    pub async fn noted_image(&self, reference: &str) -> Result<Option<NotedImage>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM images WHERE reference = ?"))
            .bind(reference)
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read an image"))?;
        row.as_ref().map(from_row).transpose()
    }

    /// What was built and is the image with this id, whatever names that has.
    pub async fn builds_with_id(&self, image_id: &str) -> Result<Vec<NotedImage>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM images WHERE image_id = ? AND content_key IS NOT NULL");
        let rows = sqlx::query(sql).bind(image_id).fetch_all(&self.readers).await.map_err(query("read images"))?;
        rows.iter().map(from_row).collect()
    }

    /// The images of a release, with what was noted of each, by component.
    pub async fn images_of(&self, release: ReleaseId) -> Result<Vec<ReleaseImage>, StoreError> {
        let mut images = Vec::new();
        for (component, part) in self.release(release).await?.map(|release| release.parts).unwrap_or_default() {
            let noted = self.noted_image(part.image.reference()).await?;
            images.push(ReleaseImage { component, identity: part.image, noted });
        }
        Ok(images)
    }

    /// Of several builds of the same content, the newest.
    pub async fn newest_build(
        &self,
        project: &ProjectName,
        component: &ComponentName,
        key: &ContentKey,
    ) -> Result<Option<NotedImage>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM images WHERE project = ? AND component = ? AND content_key = ?
            ORDER BY coalesce(anew, 0) DESC LIMIT 1"
        );
        let row = sqlx::query(sql)
            .bind(project.as_str())
            .bind(component.as_str())
            .bind(key.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(query("read images"))?;
        row.as_ref().map(from_row).transpose()
    }
}

fn from_row(row: &SqliteRow) -> Result<NotedImage, StoreError> {
    Ok(NotedImage {
        reference: text(row, "reference")?,
        project: parsed(row, "project")?,
        component: parsed(row, "component")?,
        image_id: text(row, "image_id")?,
        content_key: optional_parsed(row, "content_key")?,
        anew: optional_number(row, "anew")?.map(DeploymentId),
        bases: json(row, "bases")?,
        made_ms: number(row, "made_at")?,
    })
}
