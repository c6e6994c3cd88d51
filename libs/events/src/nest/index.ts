export { connectJetStream } from './connect-jetstream.js';
export {
  JETSTREAM,
  JetStreamContext,
  JetStreamStrategy,
  RethrowFilter,
  type JetStreamExtras,
  type JetStreamStrategyOptions,
} from './jetstream-strategy.js';
