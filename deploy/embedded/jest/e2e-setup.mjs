/** Nothing to stop yet. */
export default async () => {};
