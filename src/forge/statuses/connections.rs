//! What clients of all forges share: one HTTP client, and a pace for each account.

use super::http::Http;
use super::pace::Pace;
use super::target::{ApiPath, StatusTarget};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// An API and the token that is used there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::forge) struct Account {
    api: Url,
    token: Option<String>,
}

/// The way to an API.
pub(in crate::forge) struct Api {
    pub client: Http,
    pub account: Account,
}

/// Connections to forges. Those with the same API and token share their pace, since the forge counts by token.
pub(in crate::forge) struct Connections {
    http: reqwest::Client,
    paces: Mutex<HashMap<Account, Arc<Pace>>>,
    git_timeout: Duration,
}

impl Connections {
    /// `connect` bounds one connection attempt, `whole` one call to an API; git work may take twice `whole`.
    pub fn new(connect: Duration, whole: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("launchway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(connect)
            .timeout(whole)
            // Redirects are followed by hand, so that the token never reaches another host and a POST stays one.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot prepare the HTTP client for commit statuses")?;
        Ok(Self { http, paces: Mutex::default(), git_timeout: whole * 2 })
    }

    /// How long git work for one status may take.
    pub fn git_timeout(&self) -> Duration {
        self.git_timeout
    }

    /// The way to a repository's API; fails where the settings cannot be right, naming the setting.
    pub fn api(&self, target: &StatusTarget, usual: ApiPath) -> Result<Api> {
        let address = target.api_address(usual)?;
        target.check_name()?;
        let token = target.token.as_ref().map(|token| token.expose().to_string());
        let client = Http::new(self.http.clone(), address.clone(), target.token.clone());
        Ok(Api { client, account: Account { api: address, token } })
    }

    /// The pace of an account, as GitHub asks for it.
    pub fn pace(&self, account: Account) -> Arc<Pace> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry(account).or_insert_with(|| Arc::new(Pace::github())).clone()
    }
}
