/** Real servers for the integration tests of every package. */
export { startNats, startNatsCluster, type TestNats, type TestNatsCluster, type TestNatsOptions } from './nats.js';
export { startPostgres, type TestPostgres } from './postgres.js';
export { TcpProxy } from './tcp-proxy.js';
export { freePorts } from '../tcp-ports.js';
