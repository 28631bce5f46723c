//! Which ready work is begun first: that with the longest remaining path, within what there is of slots, CPU and memory.
//!
//! The upward rank of a task is its own time and the longest path after it (HEFT: Topcuoglu, Hariri, Wu, "Performance-
//! effective and low-complexity task scheduling", IEEE TPDS 13(3), 2002; on equal machines it is Hu's and Coffman and
//! Graham's level rule). List scheduling by it is within 2 - 1/m of the best (Graham, "Bounds on multiprocessing timing
//! anomalies", SIAM J. Appl. Math. 17(2), 1969). It has anomalies: an order that looks worse may end sooner. So
//! [`schedule`] tries the simpler orders too and takes the soonest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What a task takes while it runs, and what there is in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Room {
    pub slots: u64,
    pub milli_cpus: u64,
    pub memory_bytes: u64,
}

impl Room {
    /// One slot, and nothing else of account.
    pub const SLOT: Room = Room { slots: 1, milli_cpus: 0, memory_bytes: 0 };

    /// So many slots, CPU and memory without a limit.
    pub fn slots(slots: usize) -> Self {
        Room { slots: slots as u64, milli_cpus: u64::MAX, memory_bytes: u64::MAX }
    }

    /// Whether so much is free.
    pub fn has_room_for(&self, demand: &Room) -> bool {
        self.slots >= demand.slots && self.milli_cpus >= demand.milli_cpus && self.memory_bytes >= demand.memory_bytes
    }

    fn take(&mut self, demand: &Room) {
        self.slots -= demand.slots;
        self.milli_cpus -= demand.milli_cpus;
        self.memory_bytes -= demand.memory_bytes;
    }

    fn give_back(&mut self, demand: &Room) {
        self.slots += demand.slots;
        self.milli_cpus += demand.milli_cpus;
        self.memory_bytes += demand.memory_bytes;
    }
}

/// A piece of work. Tasks are named by their place in the list, which is also what decides between equals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub waits_for: Vec<usize>,
    /// What it is expected to take, in milliseconds; of a task that runs, what is left of it.
    pub time_ms: u64,
    pub demand: Room,
    /// It runs already: it is begun before all others.
    pub runs: bool,
}

/// When each task begins, in milliseconds from now, and when the last one ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub starts_ms: Vec<u64>,
    pub makespan_ms: u64,
}

/// Why there is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unschedulable {
    #[error("task {0} waits for itself, directly or through others")]
    Cycle(usize),
    #[error("task {0} waits for task {1}, which is not in the list")]
    Unknown(usize, usize),
    #[error("task {0} needs more than there is in all")]
    TooLarge(usize),
}

/// For each task its own time and the longest path after it, in milliseconds.
pub fn ranks(tasks: &[Task]) -> Result<Vec<u64>, Unschedulable> {
    let order = topological(tasks)?;
    let followers = followers(tasks);
    let mut ranks = vec![0; tasks.len()];
    for task in order.into_iter().rev() {
        let after = followers[task].iter().map(|follower| ranks[*follower]).max().unwrap_or(0);
        ranks[task] = tasks[task].time_ms.saturating_add(after);
    }
    Ok(ranks)
}

/// The soonest of the orders that are tried: by rank, level by level, and in the order of the list. `n log n` in tasks and
/// waits, times the number of different demands.
pub fn schedule(tasks: &[Task], room: &Room) -> Result<Schedule, Unschedulable> {
    let by_rank = by_rank(tasks, room)?;
    let in_order = list_schedule(tasks, room, &vec![0; tasks.len()])?;
    let by_level = by_level(tasks, room)?;
    // The first of equals, so that rank decides wherever it is as good.
    let all = [by_rank, in_order, by_level];
    let best = all.into_iter().reduce(|best, next| if next.makespan_ms < best.makespan_ms { next } else { best });
    best.ok_or(Unschedulable::Cycle(0))
}

/// Ready work with the longest remaining path first.
pub fn by_rank(tasks: &[Task], room: &Room) -> Result<Schedule, Unschedulable> {
    list_schedule(tasks, room, &ranks(tasks)?)
}

/// Each level of tasks only once the whole one before it has ended.
pub fn by_level(tasks: &[Task], room: &Room) -> Result<Schedule, Unschedulable> {
    let mut level_of = vec![0; tasks.len()];
    for task in topological(tasks)? {
        level_of[task] = tasks[task].waits_for.iter().map(|wait| level_of[*wait] + 1).max().unwrap_or(0);
    }
    let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (task, level) in level_of.into_iter().enumerate() {
        levels.entry(level).or_default().push(task);
    }
    let mut schedule = Schedule { starts_ms: vec![0; tasks.len()], makespan_ms: 0 };
    for members in levels.values() {
        let level: Vec<Task> =
            members.iter().map(|member| Task { waits_for: Vec::new(), ..tasks[*member].clone() }).collect();
        let begun = list_schedule(&level, room, &vec![0; level.len()]).map_err(|error| match error {
            Unschedulable::TooLarge(task) => Unschedulable::TooLarge(members[task]),
            other => other,
        })?;
        for (member, start) in members.iter().zip(begun.starts_ms) {
            schedule.starts_ms[*member] = schedule.makespan_ms + start;
        }
        schedule.makespan_ms += begun.makespan_ms;
    }
    Ok(schedule)
}

/// No schedule ends sooner: the longest path, and for each kind of room all that is taken of it over all that there is.
pub fn lower_bound_ms(tasks: &[Task], room: &Room) -> Result<u64, Unschedulable> {
    let path = ranks(tasks)?.into_iter().max().unwrap_or(0);
    let spread = |taken: fn(&Room) -> u64| {
        let work: u128 = tasks.iter().map(|task| u128::from(task.time_ms) * u128::from(taken(&task.demand))).sum();
        u64::try_from(work.div_ceil(u128::from(taken(room).max(1)))).unwrap_or(u64::MAX)
    };
    Ok(path.max(spread(|room| room.slots)).max(spread(|room| room.milli_cpus)).max(spread(|room| room.memory_bytes)))
}

/// Begins ready tasks as soon as there is room: what runs first, then the highest priority, then the order of the list. A
/// task for which there is no room lets others pass.
fn list_schedule(tasks: &[Task], room: &Room, priorities: &[u64]) -> Result<Schedule, Unschedulable> {
    if let Some(large) = tasks.iter().position(|task| !room.has_room_for(&task.demand)) {
        return Err(Unschedulable::TooLarge(large));
    }
    topological(tasks)?;
    let followers = followers(tasks);
    let mut open: Vec<usize> = tasks.iter().map(|task| task.waits_for.len()).collect();
    let mut ready = Ready::default();
    for task in (0..tasks.len()).filter(|task| open[*task] == 0) {
        ready.add(task, tasks, priorities);
    }
    let mut free = *room;
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut schedule = Schedule { starts_ms: vec![0; tasks.len()], makespan_ms: 0 };
    let mut now = 0;
    loop {
        while let Some(task) = ready.next(&free) {
            free.take(&tasks[task].demand);
            schedule.starts_ms[task] = now;
            running.push(Reverse((now.saturating_add(tasks[task].time_ms), task)));
        }
        let Some(Reverse((end, _))) = running.peek().copied() else { break };
        now = end;
        // All that ends now, before anything is begun: who of them ended first decides nothing.
        while let Some(Reverse((_, task))) = running.peek().copied().filter(|Reverse((at, _))| *at == end) {
            running.pop();
            free.give_back(&tasks[task].demand);
            for follower in &followers[task] {
                open[*follower] -= 1;
                if open[*follower] == 0 {
                    ready.add(*follower, tasks, priorities);
                }
            }
        }
    }
    schedule.makespan_ms = now;
    Ok(schedule)
}

/// Ready tasks, a heap for each demand: the first that fits is found among the tops.
#[derive(Default)]
struct Ready {
    heaps: BTreeMap<Room, BinaryHeap<(bool, u64, Reverse<usize>)>>,
}

impl Ready {
    fn add(&mut self, task: usize, tasks: &[Task], priorities: &[u64]) {
        let heap = self.heaps.entry(tasks[task].demand).or_default();
        heap.push((tasks[task].runs, priorities[task], Reverse(task)));
    }

    fn next(&mut self, free: &Room) -> Option<usize> {
        let fitting = self.heaps.iter().filter(|(demand, _)| free.has_room_for(demand));
        let (_, demand) = fitting.filter_map(|(demand, heap)| Some((*heap.peek()?, *demand))).max()?;
        let (_, _, Reverse(task)) = self.heaps.get_mut(&demand)?.pop()?;
        Some(task)
    }
}

fn followers(tasks: &[Task]) -> Vec<Vec<usize>> {
    let mut followers = vec![Vec::new(); tasks.len()];
    for (task, one) in tasks.iter().enumerate() {
        for wait in &one.waits_for {
            followers[*wait].push(task);
        }
    }
    followers
}

/// Every task after what it waits for.
fn topological(tasks: &[Task]) -> Result<Vec<usize>, Unschedulable> {
    for (task, one) in tasks.iter().enumerate() {
        if let Some(unknown) = one.waits_for.iter().find(|wait| **wait >= tasks.len()) {
            return Err(Unschedulable::Unknown(task, *unknown));
        }
    }
    let followers = followers(tasks);
    let mut open: Vec<usize> = tasks.iter().map(|task| task.waits_for.len()).collect();
    let mut order: Vec<usize> = (0..tasks.len()).filter(|task| open[*task] == 0).collect();
    let mut next = 0;
    while let Some(task) = order.get(next).copied() {
        next += 1;
        for follower in &followers[task] {
            open[*follower] -= 1;
            if open[*follower] == 0 {
                order.push(*follower);
            }
        }
    }
    match open.iter().position(|waits| *waits > 0) {
        Some(task) => Err(Unschedulable::Cycle(task)),
        None => Ok(order),
    }
}

#[cfg(test)]
mod tests;
