export { createFlex, type Flex, type Once, type Page, type Signal } from './flex.js';
export { type FlexOptions } from './flex-http.js';
export { FlexProblem, FlexUnreachable } from './problem-error.js';
export { type StreamOptions } from './frame-stream.js';
