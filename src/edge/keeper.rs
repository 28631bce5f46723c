//! Changes of the routes, one after the other: checked, their ports opened, written down, and only then served.

use super::check::{Refusal, check, check_free};
use super::disk::Disk;
use super::entrance::Entrance;
use super::guard::Lent;
use super::listening::{Listeners, Opened};
use super::live::Probed;
use super::state::Edge;
use crate::model::{ComponentRoutes, EdgeAddress, EntryProtocol, RouteKey, RouteTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

pub type Table = BTreeMap<RouteKey, ComponentRoutes>;
/// What becomes of components; `None`: nothing leads to it any more.
pub type Changes = Vec<(RouteKey, Option<ComponentRoutes>)>;

pub struct Keeper {
    edge: Arc<Edge>,
    disk: Disk,
    /// A front's sockets are held by another process too.
    lent: Option<Arc<Lent>>,
    kept: Mutex<Kept>,
}

pub struct Kept {
    pub table: Table,
    pub probed: Probed,
    pub listeners: Listeners,
    /// Another edge has the sockets and the file now: changes only concern what is still in flight here.
    pub handed_over: bool,
    /// Addresses that could not be opened, and why.
    pub closed: BTreeMap<EdgeAddress, String>,
}

impl Keeper {
    /// Serves at once what was kept. Addresses that are not open yet are opened by `open_missing`.
    pub fn new(
        edge: Arc<Edge>,
        disk: Disk,
        (table, probed): (Table, Probed),
        listeners: Listeners,
        lent: Option<Lent>,
    ) -> Self {
        edge.serve(&table, &probed);
        Self {
            edge,
            disk,
            lent: lent.map(Arc::new),
            kept: Mutex::new(Kept { table, probed, listeners, handed_over: false, closed: BTreeMap::new() }),
        }
    }

    /// Lends the sockets that are open now.
    pub async fn lend(&self) {
        self.lend_those_of(&*self.kept.lock().await).await;
    }

    async fn lend_those_of(&self, kept: &Kept) {
        let (Some(lent), false) = (self.lent.clone(), kept.handed_over) else { return };
        let Ok(sockets) = kept.listeners.sockets() else { return };
        let sockets = kept.listeners.addresses().into_iter().zip(sockets).collect();
        // It blocks until the other process has them.
        let _ = tokio::task::spawn_blocking(move || lent.lend(sockets)).await;
    }

    /// While it is held, nothing changes.
    pub async fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().await
    }

    pub async fn table(&self) -> RouteTable {
        let kept = self.kept.lock().await;
        RouteTable { components: kept.table.iter().map(|(key, routes)| (key.clone(), routes.clone())).collect() }
    }

    /// Serves these routes of components instead of those they had, all in one moment. When it is refused, nothing has
    /// changed.
    ///
    /// `follows`: the one that has taken over says so; who has handed over hears nobody else, as nobody else hears it.
    pub async fn change(&self, changes: &Changes, follows: bool) -> Result<(), Refusal> {
        for (_, routes) in changes {
            routes.as_ref().map_or(Ok(()), |routes| check(routes, self.edge.settings.inside))?;
        }
        let mut kept = self.kept.lock().await;
        if kept.handed_over && !follows {
            return Err(Refusal::Ending);
        }
        let mut table = kept.table.clone();
        for (key, routes) in changes {
            match routes {
                Some(routes) => drop(table.insert(key.clone(), routes.clone())),
                None => drop(table.remove(key)),
            }
        }
        for (key, routes) in changes {
            if let Some(routes) = routes {
                check_free(key, routes, table.iter(), &self.edge.settings.listen)?;
            }
        }
        if table == kept.table {
            return Ok(());
        }
        self.serve(&mut kept, table).await
    }

    async fn serve(&self, kept: &mut Kept, table: Table) -> Result<(), Refusal> {
        if kept.handed_over {
            self.edge.serve(&table, &kept.probed);
            kept.table = table;
            return Ok(());
        }
        if self.edge.ending.is_cancelled() {
            return Err(Refusal::Ending);
        }
        let before = ports(&kept.table);
        let after = ports(&table);
        let mut opened = Vec::new();
        for address in after.keys().filter(|address| !before.contains_key(address)) {
            match self.open(kept, *address, &after).await {
                Ok(socket) => opened.push(socket),
                Err(error) => {
                    drop(opened);
                    self.open_what_is_missing(kept);
                    let message = format!(
                        "the port {} cannot be opened ({address}: {error}). Another process has it, or the edge may not open it",
                        address.port
                    );
                    return Err(Refusal::Taken(message));
                }
            }
        }
        let mut probed = kept.probed.clone();
        // Known is what was asked, at the same port of the container.
        probed.retain(|address, _| after.contains_key(address) && after.get(address) == before.get(address));
        if let Err(error) = self.disk.write(&table, &probed) {
            drop(opened);
            self.open_what_is_missing(kept);
            return Err(Refusal::Failed(error.to_string()));
        }
        self.edge.serve(&table, &probed);
        (kept.table, kept.probed) = (table, probed);
        for opened in opened {
            kept.closed.remove(&opened.address);
            let entrance = Entrance::Port(opened.address);
            kept.listeners.add(opened, entrance);
        }
        for address in before.keys().filter(|address| !after.contains_key(address)) {
            kept.listeners.close(address).await;
            kept.closed.remove(address);
        }
        if before != after {
            self.lend_those_of(kept).await;
        }
        Ok(())
    }

    /// Where a port of before is in the way that nobody wants any more, it is closed first: the address of a port
    /// cannot change without a moment in which nobody listens.
    async fn open(
        &self,
        kept: &mut Kept,
        address: EdgeAddress,
        wanted: &BTreeMap<EdgeAddress, u16>,
    ) -> std::io::Result<Opened> {
        for open in kept.listeners.addresses() {
            let is_own = self.edge.settings.listen.contains(&open);
            if open.overlaps(&address) && !wanted.contains_key(&open) && !is_own {
                kept.listeners.close(&open).await;
            }
        }
        Opened::open(address)
    }

    /// What a port turned out to speak.
    pub async fn learned(&self, address: EdgeAddress, port: u16, protocol: EntryProtocol) {
        let mut kept = self.kept.lock().await;
        if ports(&kept.table).get(&address) != Some(&port) {
            return;
        }
        kept.probed.insert(address, protocol);
        if !kept.handed_over
            && let Err(error) = self.disk.write(&kept.table, &kept.probed)
        {
            tracing::warn!(error = %error, "What a port speaks could not be written down; the next start asks again");
        }
        self.edge.serve(&kept.table, &kept.probed);
    }

    /// Opens what should be open and is not: at the start, and again and again where it fails.
    pub async fn open_missing(&self) {
        let mut kept = self.kept.lock().await;
        self.open_what_is_missing(&mut kept);
    }

    /// A socket that another edge had opened. Where nobody wants it any more, it is closed.
    pub async fn adopt(&self, opened: Opened) {
        let mut kept = self.kept.lock().await;
        let address = opened.address;
        if kept.listeners.is_open(&address) {
            return;
        }
        if self.edge.settings.listen.contains(&address) {
            kept.listeners.add(opened, Entrance::Shared);
        } else if ports(&kept.table).contains_key(&address) {
            kept.listeners.add(opened, Entrance::Port(address));
        }
    }

    /// Accepts nothing any more.
    pub async fn close_all(&self) {
        self.kept.lock().await.listeners.close_all().await;
    }

    fn open_what_is_missing(&self, kept: &mut Kept) {
        if kept.handed_over || self.edge.ending.is_cancelled() {
            return;
        }
        let own = self.edge.settings.listen.iter().map(|address| (*address, Entrance::Shared));
        let ports = ports(&kept.table).into_keys().map(|address| (address, Entrance::Port(address)));
        for (address, entrance) in own.chain(ports).collect::<Vec<_>>() {
            if kept.listeners.is_open(&address) {
                continue;
            }
            match Opened::open(address) {
                Ok(opened) => {
                    kept.listeners.add(opened, entrance);
                    kept.closed.remove(&address);
                    tracing::info!(listen = %address, "The edge listens");
                }
                Err(error) => {
                    let why = error.to_string();
                    // Said once, not at each attempt.
                    if kept.closed.insert(address, why.clone()).as_ref() != Some(&why) {
                        tracing::error!(
                            listen = %address, error = why,
                            "The edge cannot listen here and tries again every few seconds; does another process have the port?"
                        );
                    }
                }
            }
        }
    }
}

/// The addresses that components publish, and the port in the container that each leads to.
fn ports(table: &Table) -> BTreeMap<EdgeAddress, u16> {
    let entries = table.values().flat_map(|routes| &routes.entries);
    entries.filter_map(|entry| Some((entry.listen.address()?, entry.target))).collect()
}
