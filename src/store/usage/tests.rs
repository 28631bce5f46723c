use super::*;

const NOW_MS: i64 = 500_000 * HOUR_MS;

fn used(component: &str, hour: i64, memory_max_bytes: i64) -> Usage {
    Usage {
        project: ProjectName::new("shop").unwrap(),
        environment: EnvironmentName::new("production").unwrap(),
        component: ComponentName::new(component).unwrap(),
        hour,
        cpu_ms: 100,
        memory_max_bytes,
        memory_byte_seconds: 60 * memory_max_bytes,
        seconds: 60,
        samples: 1,
    }
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn looks_of_one_hour_add_up_and_the_most_stays() {
    let (_folder, store) = store().await;
    let hour = NOW_MS / HOUR_MS;
    for bytes in [300, 500, 400] {
        store.add_usage(vec![used("api", hour, bytes)], NOW_MS).await.unwrap();
    }
    store.add_usage(vec![used("api", hour - 1, 9), used("db", hour, 7)], NOW_MS).await.unwrap();
    let shop = ProjectName::new("shop").unwrap();
    let all = store.usage(&shop, NOW_MS, NOW_MS + 1).await.unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!((all[0].cpu_ms, all[0].memory_max_bytes, all[0].seconds, all[0].samples), (300, 500, 180, 3));
    assert_eq!(all[0].memory_byte_seconds, 60 * 1200);
    assert_eq!(store.usage(&shop, NOW_MS - HOUR_MS, NOW_MS).await.unwrap().len(), 1, "the hour before alone");
    assert_eq!(store.usage(&ProjectName::new("other").unwrap(), 0, i64::MAX).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn what_was_used_more_than_90_days_ago_is_forgotten() {
    let (_folder, store) = store().await;
    let hour = NOW_MS / HOUR_MS;
    store
        .add_usage(vec![used("api", hour - KEPT_HOURS - 1, 1), used("api", hour - KEPT_HOURS, 2)], NOW_MS)
        .await
        .unwrap();
    let kept = store.usage(&ProjectName::new("shop").unwrap(), 0, NOW_MS).await.unwrap();
    assert_eq!(kept.iter().map(|usage| usage.hour).collect::<Vec<_>>(), [hour - KEPT_HOURS]);
    store.close().await;
}

#[tokio::test]
async fn past_use_is_what_95_of_100_hours_stayed_below_and_the_most() {
    let (_folder, store) = store().await;
    let hour = NOW_MS / HOUR_MS;
    let hours = (0..100).map(|n| used("api", hour - n, 1 + n)).chain([used("db", hour, 7)]).collect();
    store.add_usage(hours, NOW_MS).await.unwrap();
    let (shop, production) = (ProjectName::new("shop").unwrap(), EnvironmentName::new("production").unwrap());
    let past = store.past_use(&shop, &production).await.unwrap();
    let of = |name: &str| past[&ComponentName::new(name).unwrap()];
    assert_eq!(of("api"), PastUse { p95_bytes: 95, most_bytes: 100 });
    assert_eq!(of("db"), PastUse { p95_bytes: 7, most_bytes: 7 });
    let staging = EnvironmentName::new("staging").unwrap();
    assert_eq!(store.past_use(&shop, &staging).await.unwrap(), BTreeMap::new());
    store.close().await;
}
