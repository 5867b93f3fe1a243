// Debian's Chromium with pages of the tests in it, and a plain server to hold against what the gateway does.
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { soon } from '../support/deadline.ts'
import { findProgram } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/**
 * What the browser would do by itself against calls to this machine is turned off: it protects its own users only, and
 * the requests have to arrive for the gateway to refuse them. The rest keeps it off the network.
 */
const flags = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessForNavigations,HttpsUpgrades',
  '--disable-gpu',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
]

/** @param names that lead to an address of this machine. */
export function launchChromium(names: Readonly<Record<string, string>>): Promise<Browser> {
  const rules = Object.entries(names).map(([name, address]) => `MAP ${name} ${address}`)
  return chromium.launch({
    executablePath: findProgram('chromium')!,
    // Chromium's own sandbox does not start as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...flags, `--host-resolver-rules=${rules.join(',')}`],
  })
}

/** A page with storage of its own, closed after the test. */
export async function openPage(t: Cleanup, browser: Browser): Promise<Page> {
  const context = await browser.newContext()
  t.after(() => context.close())
  return context.newPage()
}

/** Listens until the test ends. @returns `http://HOST:PORT`, with `name` in place of the address. */
export async function serve(
  t: Cleanup,
  listener: RequestListener,
  address = '127.0.0.1',
  name = address,
): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://${name}:${(server.address() as AddressInfo).port}`
}

/** Serves one HTML page on every path. */
export function servePage(t: Cleanup, html: string, address?: string, name?: string): Promise<string> {
  return serve(
    t,
    (_, response) => response.setHeader('content-type', 'text/html; charset=utf-8').end(html),
    address,
    name,
  )
}

export interface Recorder {
  readonly url: string
  readonly count: number
  /** Resolves when a request with this method has come. */
  received(method: string): Promise<void>
}

/** A server as careless as can be: it answers everything, and lets every page read it. */
export async function startRecorder(t: Cleanup): Promise<Recorder> {
  const come: IncomingMessage[] = []
  const arrivals = new EventEmitter()
  const url = await serve(t, (request, response) => {
    come.push(request)
    response.setHeader('access-control-allow-origin', request.headers.origin ?? '*')
    response.setHeader('access-control-allow-credentials', 'true')
    response.setHeader(
      'access-control-allow-headers',
      request.headers['access-control-request-headers'] ?? '*',
    )
    response.end('"careless"')
    arrivals.emit('arrival')
  })
  return {
    url,
    get count() {
      return come.length
    },
    async received(method) {
      while (!come.some((request) => request.method === method)) {
        await soon(once(arrivals, 'arrival'), () => `a ${method} at the careless server`)
      }
    },
  }
}
