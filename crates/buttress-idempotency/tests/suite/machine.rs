//! The state machine, step by step against a model that is written another way.

use std::time::Duration;

use buttress_idempotency::{
    Bid, Claim, Effect, Fingerprint, Held, IdempotencyStore, Kept, Lease, MemoryStore, RecordKey, Retention, Settled,
    Settlement, Token,
};
use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::advance;

const LEASE: u64 = 10;
const ANSWER: u64 = 30;
const KEY: u64 = 70;

/// What anybody may do to a key, and how time goes on.
#[derive(Clone, Debug)]
enum Step {
    Claim {
        request: u8,
        effect: Effect,
    },
    /// By the holder of the run that was won so many runs ago.
    Renew {
        ago: usize,
    },
    Settle {
        ago: usize,
        how: How,
    },
    Purge,
    Pass(u64),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Whole,
    Nothing,
    Release,
    Doubt,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let effect = || prop_oneof![Just(Effect::Outside), Just(Effect::None)];
    let how = || prop_oneof![Just(How::Whole), Just(How::Nothing), Just(How::Release), Just(How::Doubt)];
    let step = prop_oneof![
        4 => (1..3_u8, effect()).prop_map(|(request, effect)| Step::Claim { request, effect }),
        2 => (0..3_usize).prop_map(|ago| Step::Renew { ago }),
        3 => (0..3_usize, how()).prop_map(|(ago, how)| Step::Settle { ago, how }),
        1 => Just(Step::Purge),
        3 => prop_oneof![Just(1_u64), Just(LEASE), Just(ANSWER), Just(KEY), 1..80_u64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

/// The life of one key as a list of facts: what is the case is worked out from them each time it is asked.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    life: Option<Life>,
    /// Every run that was won, by its number in the model.
    runs: usize,
}

#[derive(Debug)]
struct Life {
    run: usize,
    request: u8,
    effect: Effect,
    /// When it was last heard of.
    heard: u64,
    end: Option<(How, u64)>,
}

#[derive(Debug, PartialEq)]
enum Is {
    Free,
    Running(u64),
    Uncertain,
    Whole,
    Nothing,
    Expired,
}

impl Model {
    fn is(&self) -> Is {
        let Some(life) = &self.life else { return Is::Free };
        match life.end {
            None => {
                let silent = self.now - life.heard;
                match (silent < LEASE, life.effect) {
                    (true, _) => Is::Running(LEASE - silent),
                    (false, Effect::None) => Is::Free,
                    (false, Effect::Outside) if silent < LEASE + KEY => Is::Uncertain,
                    (false, Effect::Outside) => Is::Free,
                }
            }
            Some((How::Release, _)) => Is::Free,
            Some((_, at)) if self.now - at >= KEY => Is::Free,
            Some((How::Doubt, _)) => Is::Uncertain,
            Some((_, at)) if self.now - at >= ANSWER => Is::Expired,
            Some((How::Whole, _)) => Is::Whole,
            Some((How::Nothing, _)) => Is::Nothing,
        }
    }

    /// Whether the record of this run can still be changed by it: nobody else came, and it is not forgotten.
    fn is_held_by(&self, run: usize) -> bool {
        let Some(life) = self.life.as_ref().filter(|life| life.run == run) else { return false };
        match life.end {
            None => self.now - life.heard < LEASE + KEY,
            Some((How::Doubt, at)) => self.now - at < KEY,
            Some(_) => false,
        }
    }

    fn is_done_by(&self, run: usize) -> bool {
        let life = self.life.as_ref().filter(|life| life.run == run);
        life.and_then(|life| life.end)
            .is_some_and(|(how, at)| matches!(how, How::Whole | How::Nothing) && self.now - at < KEY)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn bid(request: u8, effect: Effect) -> Bid {
    Bid {
        fingerprint: Fingerprint::from_bytes([request; 32]),
        effect,
        lease: Lease::new(seconds(LEASE)).unwrap(),
        retention: Retention::new(seconds(ANSWER), seconds(KEY)).unwrap(),
    }
}

async fn follow(steps: Vec<Step>) {
    let (store, key) = (MemoryStore::default(), RecordKey::from_bytes([9; 32]));
    let (mut model, mut tokens) = (Model::default(), Vec::<Token>::new());
    for step in steps {
        match step {
            Step::Pass(time) => {
                advance(seconds(time)).await;
                model.now += time;
            }
            Step::Claim { request, effect } => {
                let claim = store.claim(&key, &bid(request, effect)).await.unwrap();
                claimed(&mut model, &mut tokens, claim, request, effect);
            }
            Step::Renew { ago } => {
                let Some(run) = tokens.len().checked_sub(ago + 1) else { continue };
                let held = store.renew(&key, tokens[run], bid(1, Effect::None).lease).await.unwrap();
                assert_eq!(held == Held::Held, model.is_held_by(run), "{model:?}");
                if let (Held::Held, Some(life)) = (held, &mut model.life) {
                    (life.heard, life.end) = (model.now, None);
                }
            }
            Step::Settle { ago, how } => {
                let Some(run) = tokens.len().checked_sub(ago + 1) else { continue };
                let settled = store.settle(&key, tokens[run], settlement(how)).await.unwrap();
                let expected = match (model.is_held_by(run), model.is_done_by(run)) {
                    (true, _) => Settled::Now,
                    (false, true) => Settled::Before,
                    (false, false) => Settled::Lost,
                };
                assert_eq!(settled, expected, "{model:?}");
                if let (Settled::Now, Some(life)) = (settled, &mut model.life) {
                    life.end = Some((how, model.now));
                }
            }
            Step::Purge => {
                assert_eq!(store.purge(&key).await.unwrap(), model.is() != Is::Free, "{model:?}");
                model.life = None;
            }
        }
        assert_eq!(store.look(&key).await.unwrap().is_some(), model.is() != Is::Free, "{model:?}");
    }
}

fn settlement(how: How) -> Settlement {
    match how {
        How::Whole => Settlement::Complete(Kept::Whole(Bytes::from_static(b"answer"))),
        How::Nothing => Settlement::Complete(Kept::Nothing),
        How::Release => Settlement::Release,
        How::Doubt => Settlement::Doubt,
    }
}

fn claimed(model: &mut Model, tokens: &mut Vec<Token>, claim: Claim, request: u8, effect: Effect) {
    let is = model.is();
    if is == Is::Free {
        let Claim::Won(token) = claim else { panic!("a free key is won, not {claim:?}: {model:?}") };
        assert!(tokens.iter().all(|before| *before < token), "tokens grow");
        tokens.push(token);
        model.life = Some(Life { run: model.runs, request, effect, heard: model.now, end: None });
        model.runs += 1;
        return;
    }
    let life = model.life.as_ref().expect("what is not free has a life");
    let expected = match is {
        _ if life.request != request => Claim::Mismatch,
        Is::Running(left) => Claim::Running { token: tokens[life.run], left: seconds(left) },
        Is::Uncertain => Claim::Uncertain,
        Is::Whole => Claim::Replay(Bytes::from_static(b"answer")),
        Is::Nothing => Claim::NotReplayable,
        Is::Expired => Claim::Expired,
        Is::Free => unreachable!("it was handled above"),
    };
    assert_eq!(claim, expected, "{model:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    // IDM-9, IDM-10, IDM-11, IDM-12, IDM-18
    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(follow(steps));
    }
}
