export { connectJetStream } from './connect-jetstream.js';
export {
  JETSTREAM,
  JetStreamContext,
  JetStreamStrategy,
  OnEvent,
  RethrowFilter,
  type JetStreamExtras,
  type JetStreamStrategyOptions,
} from './jetstream-strategy.js';
