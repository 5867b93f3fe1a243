// URLs of servers that the gateway asks besides providers: those that receive messages and spans. They may be secrets.
import { reachOf } from '../platform/address-reach.ts'

/** Undefined: it is not the whole URL of a web server. */
export function parseWebUrl(text: string): URL | undefined {
  const url = URL.parse(text)
  return url === null || !/^https?:\/\/[^/\\]/i.test(text) || /[\s\\]/.test(text) ? undefined : url
}

/** Whether what is sent there leaves this machine unencrypted. A name but `localhost` may lead anywhere. */
export function isUnencrypted({ protocol, hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return protocol === 'http:' && host !== 'localhost' && reachOf(host) !== 'loopback'
}
