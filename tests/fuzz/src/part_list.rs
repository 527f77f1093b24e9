use command_api::{http::parts::PartRangeBody, multipart::range};
use depot_domain::{PartPlan, SizeBytes};

/// Which parts a client wants signed, and which a store says it has, of a file and a size of parts that come from the
/// bytes too.
pub fn part_list(data: &[u8]) {
    let Some((numbers, text)) = data.split_at_checked(16) else {
        return;
    };
    let number = |at: usize| {
        let bytes: [u8; 8] = numbers[at..at + 8].try_into().expect("eight of sixteen bytes");
        i64::from_be_bytes(bytes)
    };
    let Ok(size) = SizeBytes::parse(number(0)) else {
        return;
    };
    let plan = PartPlan::new(size, number(8));
    let last = plan.count();
    assert!(last >= 1);
    if let Ok(asked) = serde_json::from_slice::<PartRangeBody>(text)
        && let Ok(numbers) = range(asked.first, asked.count, &plan)
    {
        assert!(*numbers.start() >= 1 && numbers.end() <= &last && numbers.clone().count() <= 100);
        let sizes: i64 = numbers.filter_map(|number| plan.size_of(number)).sum();
        assert!((1..=size.get()).contains(&sizes));
    }
    // A plan has ten thousand parts at most where the API makes it.
    if last > 10_000 {
        return;
    }
    let arrived: Vec<(i32, i64)> = text
        .chunks_exact(8)
        .map(|part| {
            let half = |bytes: &[u8]| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            (half(part), i64::from(half(&part[4..])))
        })
        .collect();
    let amiss = plan.compare(&arrived);
    for number in plan.numbers() {
        let sizes: Vec<_> = arrived
            .iter()
            .filter(|(n, _)| *n == number)
            .map(|(_, size)| Some(*size))
            .collect();
        let is_right = sizes.contains(&plan.size_of(number));
        assert_eq!(amiss.missing.contains(&number), sizes.is_empty());
        assert_eq!(amiss.missized.contains(&number), !sizes.is_empty() && !is_right);
    }
}
