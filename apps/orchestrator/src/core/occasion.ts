/** Id of an occasion: `<kind>|<node>|<attempt>`; unique in its run. */
export const occasionId = (occasion: string, nodeId: string | undefined, n: number | string): string =>
  `${occasion}|${nodeId ?? ''}|${n}`;
/** The node that an occasion is about. */
export const nodeOfOccasion = (requestId: string): string | undefined => requestId.split('|')[1] || undefined;
