//! Time: each layer over a service that is ready, beside its rivals in the same run.

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for group in buttress_benches::groups() {
        if group.subscriber {
            buttress_benches::discard_events();
        }
        let mut measured = criterion.benchmark_group(group.name);
        if group.heavy {
            measured.sample_size(10);
        }
        for case in group.cases {
            let mut operation = None;
            // Made only if the filter lets it through.
            measured.bench_function(case.name, |bencher| bencher.iter(operation.get_or_insert_with(case.make)));
        }
        measured.finish();
    }
    criterion.final_summary();
}
