/** How long a step of `bench.limited` takes, and how many of them one worker process does at once. */
export const LIMITED_MS = 200;
export const LIMITED_CONCURRENCY = 8;
