-- A constraint that was checked stays so, and what was set aside comes back with 0004.
SELECT 1;
