//! One scrape: everything that is measured, as text.

mod edge;
mod present;
mod process;

use crate::run::ground::deployer::Deployer;
use crate::run::ground::metrics::exposition::Exposition;

impl Deployer {
    /// All measures as Prometheus' text form. One scrape at a time; what it reads of the store is what is new since the
    /// last one. Fails only where the store does.
    pub async fn exposition(&self) -> anyhow::Result<String> {
        let mut past = self.metrics.past.lock().await;
        past.catch_up(&self.store).await?;
        let mut now = Exposition::default();
        self.put_present(&mut now).await?;
        self.put_edge(&mut now).await;
        self.put_fronts(&mut now).await;
        process::put_process(&mut now);
        let mut text = past.text()?;
        text.push_str(&self.metrics.builds.text()?);
        text.push_str(&self.metrics.counted.text()?);
        if self.config().telemetry.is_some() {
            text.push_str(&self.metrics.traces.text()?);
        }
        text.push_str(&now.text()?);
        Ok(text)
    }
}
