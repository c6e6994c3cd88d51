export { startNatsCluster, type TestCluster } from './nats-cluster.js';
export { natsServerBinary, startNatsServer, type TestServer, type TestServerOptions } from './nats-server.js';
export { openTestLog, pauseRequested } from './fixtures.js';
