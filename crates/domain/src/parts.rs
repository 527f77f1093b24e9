//! Files that are too large for one request, and are sent in parts.

use std::{collections::BTreeMap, ops::RangeInclusive};

use crate::upload_fields::SizeBytes;

/// How a file is cut: parts of one size, numbered from 1, the last one as long as what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    size_bytes: i64,
    part_size_bytes: i64,
}

/// What of a plan is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartsAmiss {
    /// The numbers of those that have not arrived.
    pub missing: Vec<i32>,
    /// The numbers of those that have another size.
    pub missized: Vec<i32>,
}

impl PartPlan {
    /// A part size below 1 is taken for 1.
    pub fn new(size_bytes: SizeBytes, part_size_bytes: i64) -> Self {
        Self {
            size_bytes: size_bytes.get(),
            part_size_bytes: part_size_bytes.max(1),
        }
    }

    pub fn part_size_bytes(&self) -> i64 {
        self.part_size_bytes
    }

    /// The number of parts, at least 1.
    pub fn count(&self) -> i32 {
        let whole = self.size_bytes / self.part_size_bytes;
        let rest = i64::from(self.size_bytes % self.part_size_bytes != 0);
        i32::try_from(whole + rest).unwrap_or(i32::MAX)
    }

    pub fn numbers(&self) -> RangeInclusive<i32> {
        1..=self.count()
    }

    /// The size of a part; none where there is no part of that number.
    pub fn size_of(&self, number: i32) -> Option<i64> {
        if !self.numbers().contains(&number) {
            return None;
        }
        let before = i64::from(number - 1) * self.part_size_bytes;
        Some(self.part_size_bytes.min(self.size_bytes - before))
    }

    /// Compares what has arrived, as pairs of number and size, with the plan. A number outside of the plan counts for
    /// nothing. One that comes twice was sent again, and is right if one of them is: which bytes they are is seen later.
    pub fn compare(&self, arrived: &[(i32, i64)]) -> PartsAmiss {
        let mut right = BTreeMap::new();
        for (number, size) in arrived {
            *right.entry(*number).or_insert(false) |= self.size_of(*number) == Some(*size);
        }
        let having = |state: Option<bool>| {
            let numbers = self.numbers();
            numbers
                .filter(|number| right.get(number).copied() == state)
                .collect()
        };
        PartsAmiss {
            missing: having(None),
            missized: having(Some(false)),
        }
    }
}

impl PartsAmiss {
    pub fn is_nothing(&self) -> bool {
        self.missing.is_empty() && self.missized.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(size_bytes: i64, part_size_bytes: i64) -> PartPlan {
        PartPlan::new(SizeBytes::parse(size_bytes).unwrap(), part_size_bytes)
    }

    proptest! {
        #[test]
        fn the_parts_of_a_plan_add_up_to_the_file(size in 1_i64..=100_000, part in 1_i64..=5_000) {
            let plan = plan(size, part);
            let sizes: Vec<_> = plan.numbers().map(|number| plan.size_of(number).unwrap()).collect();
            prop_assert_eq!(sizes.iter().sum::<i64>(), size);
            let (last, others) = sizes.split_last().unwrap();
            prop_assert!(others.iter().all(|size| *size == part) && (1..=part).contains(last));
            prop_assert_eq!(plan.size_of(0), None);
            prop_assert_eq!(plan.size_of(plan.count() + 1), None);
        }
    }

    #[test]
    fn what_is_missing_or_of_another_size_is_named() {
        let plan = plan(25, 10);
        assert!(plan.compare(&[(1, 10), (2, 10), (3, 5)]).is_nothing());
        assert!(plan.compare(&[(1, 10), (2, 10), (3, 5), (4, 1)]).is_nothing());
        let amiss = plan.compare(&[(1, 9), (3, 5)]);
        assert_eq!((amiss.missing, amiss.missized), (vec![2], vec![1]));
        assert_eq!(plan.compare(&[]).missing, [1, 2, 3]);
        let again = plan.compare(&[(1, 9), (1, 10), (2, 10), (2, 3), (3, 5), (3, 5)]);
        assert!(again.is_nothing(), "{again:?}");
    }
}
