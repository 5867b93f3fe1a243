// The two files of undici that the gateway runs. Its index would also load fetch, caches, proxies and mocks at each start.

declare module 'undici/lib/dispatcher/client.js' {
  export { Client as default } from 'undici'
}

declare module 'undici/lib/core/connect.js' {
  export { buildConnector as default } from 'undici'
}
