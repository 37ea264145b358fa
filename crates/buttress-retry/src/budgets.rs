use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::request::Parts;
use tokio::time::Instant;

use crate::{Allowance, Budget};

type FindKey = dyn for<'a> Fn(&'a Parts) -> Option<Cow<'a, str>> + Send + Sync;

/// A budget for each key of a request, the host it goes to for instance, so that one failing server does not use up the
/// retries of the others (RTY-10).
///
/// It holds no more keys than it was made for. When all places are taken, those go that have used none of their reserve
/// for ten seconds; if there is none, new keys share one budget, so that nobody gets a fresh reserve by making up keys.
/// Requests without a key share that one, too.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use buttress_retry::{Allowance, BudgetByKey, RetryLayer};
///
/// let keys = NonZeroUsize::new(1_000).expect("not zero");
/// let layer = RetryLayer::new().budget(BudgetByKey::host(Allowance::default(), keys));
/// ```
#[derive(Clone)]
pub struct BudgetByKey(Arc<Table>);

struct Table {
    allowance: Allowance,
    most: usize,
    find: Box<FindKey>,
    known: RwLock<Known>,
    rest: Budget,
}

struct Known {
    budgets: HashMap<Box<str>, Budget>,
    swept: Instant,
}

/// How long a full table is left alone after it was looked through for keys at rest.
const SWEEP: Duration = Duration::from_secs(1);

impl BudgetByKey {
    /// A budget of this allowance for each of at most so many keys.
    pub fn new(
        allowance: Allowance,
        keys: NonZeroUsize,
        find: impl for<'a> Fn(&'a Parts) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        let known = Known { budgets: HashMap::new(), swept: Instant::now() };
        Self(Arc::new(Table {
            allowance,
            most: keys.get(),
            find: Box::new(find),
            known: RwLock::new(known),
            rest: Budget::new(allowance),
        }))
    }

    /// A budget for each authority of the request's target, as `api.example.com:8443`.
    #[must_use]
    pub fn host(allowance: Allowance, keys: NonZeroUsize) -> Self {
        Self::new(allowance, keys, |parts| parts.uri.authority().map(|host| host.as_str().into()))
    }

    /// The budget of a request, which is made if it is not known.
    pub(crate) fn of(&self, parts: &Parts) -> Budget {
        match (self.0.find)(parts) {
            Some(key) => self.0.of(&key),
            None => self.0.rest.clone(),
        }
    }
}

impl Table {
    fn of(&self, key: &str) -> Budget {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = known.budgets.get(key) {
            return budget.clone();
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.budgets.len() >= self.most {
            known.sweep();
        }
        if let Some(budget) = known.budgets.get(key) {
            return budget.clone();
        }
        if known.budgets.len() >= self.most {
            return self.rest.clone();
        }
        let budget = Budget::new(self.allowance);
        known.budgets.insert(key.into(), budget.clone());
        budget
    }
}

impl Known {
    fn sweep(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.budgets.retain(|_, budget| !budget.is_rested());
        }
    }
}

impl fmt::Debug for BudgetByKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("BudgetByKey").field("keys", &known.budgets.len()).field("most", &self.0.most).finish()
    }
}

/// The budget that a layer goes by.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "made from a budget or from budgets by key")]
pub enum Budgets {
    #[doc(hidden)]
    One(Budget),
    #[doc(hidden)]
    ByKey(BudgetByKey),
}

impl From<Budget> for Budgets {
    fn from(budget: Budget) -> Self {
        Self::One(budget)
    }
}

impl From<BudgetByKey> for Budgets {
    fn from(budgets: BudgetByKey) -> Self {
        Self::ByKey(budgets)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use http::Request;

    use super::*;

    fn to(host: &str) -> Parts {
        Request::get(format!("http://{host}/x")).body(()).unwrap().into_parts().0
    }

    fn three() -> BudgetByKey {
        let allowance = Allowance::percent(20).unwrap().reserve(1);
        BudgetByKey::host(allowance, NonZeroUsize::new(3).unwrap())
    }

    fn use_up(budget: &Budget) -> usize {
        (0..1_000).take_while(|_| budget.take()).count()
    }

    // RTY-10
    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_own_and_clones_share_it() {
        let budgets = three();
        assert_eq!(use_up(&budgets.of(&to("a"))), 10);
        assert_eq!(use_up(&budgets.clone().of(&to("a"))), 0);
        assert_eq!(use_up(&budgets.of(&to("b"))), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_are_made_up_get_no_fresh_reserve() {
        let budgets = three();
        for host in ["a", "b", "c"] {
            assert_eq!(use_up(&budgets.of(&to(host))), 10);
        }
        let more: usize = (0..100).map(|i| use_up(&budgets.of(&to(&format!("x{i}"))))).sum();
        assert_eq!(more, 10, "they share one");
        assert_eq!(budgets.0.known.read().unwrap().budgets.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_at_rest_make_room() {
        let budgets = three();
        for host in ["a", "b", "c"] {
            use_up(&budgets.of(&to(host)));
        }
        tokio::time::advance(Duration::from_secs(11)).await;
        use_up(&budgets.of(&to("c")));
        assert_eq!(use_up(&budgets.of(&to("d"))), 10);
        assert_eq!(use_up(&budgets.of(&to("c"))), 0, "it was not at rest, and is kept");
    }
}
