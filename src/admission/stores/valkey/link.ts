// One connection to a server, from the greeting to its end; the next one is another link.
import type { StoreAddress, StoreEndpoint } from '../../../config/store-types.ts'
import type { SetTimer } from '../../../platform/clock.ts'
import type { Client, openClient } from './client.ts'
import { expectNews, guardReplies, violationOf } from './guarded-stream.ts'
import { newsChannel, storeKey } from './keys.ts'
import { addressText, locate } from './locate.ts'
import { readReply, type ScriptReplies } from './replies.ts'
import type { Script, ScriptName } from './script-files.ts'
import { readServerInfo, type ServerInfo } from './server-info.ts'
import { faultOf, StoreFault } from './store-fault.ts'

export interface LinkParts {
  readonly open: typeof openClient
  readonly endpoint: StoreEndpoint
  readonly ca: string | undefined
  readonly prefix: string
  readonly scripts: ReadonlyMap<ScriptName, Script>
  readonly setTimer: SetTimer
}

/** A connection over which no reply comes for so long is given up, in milliseconds. */
export const silenceMs = 2000

/**
 * Finds the server, connects and logs in, and gives it the scripts. Nothing is asked of it yet.
 * @throws StoreFault
 */
export async function openLink(parts: LinkParts): Promise<Link> {
  const { endpoint, prefix, scripts } = parts
  const address = await locate(endpoint, storeKey(prefix, 'epoch'), {
    ask: async (at, withLogin, question) => {
      const client = await openAt(parts, at, withLogin)
      return promptly(parts, client, () => question(client)).finally(() => client.disconnect())
    },
  })
  try {
    const client = await openAt(parts, address, true)
    const info = await promptly(parts, client, async () => {
      if (endpoint.database > 0) await client.call('SELECT', endpoint.database)
      const server = String(await client.call('INFO', 'server'))
      // Redis 6 takes one section at a time.
      const isOld = /^redis_version:[0-6]\./m.test(server)
      const rest = isOld ? '' : await client.call('INFO', 'replication', 'memory')
      const found = readServerInfo(server, String(rest))
      for (const { source } of scripts.values()) await client.call('SCRIPT', 'LOAD', source)
      return found
    })
    return new Link(parts, { client, address, info })
  } catch (error) {
    const { kind, message, code } = faultOf(error)
    throw new StoreFault(kind, `${addressText(address)}: ${message}`, code)
  }
}

/** @throws StoreFault */
async function openAt(parts: LinkParts, address: StoreAddress, withLogin: boolean): Promise<Client> {
  const { open, endpoint, ca } = parts
  const { isEncrypted, login } = endpoint
  const client = await open(address, { isEncrypted, ca }).catch((error: unknown) => {
    throw new StoreFault('down', connectFault(error, isEncrypted))
  })
  // Nothing has been asked yet, so nothing has come that the guard has missed.
  guardReplies(client)
  if (login === undefined || !withLogin) return client
  const password = login.password.reveal()
  await promptly(parts, client, async () => {
    await client
      .call('AUTH', ...(login.user === undefined ? [password] : [login.user, password]))
      .catch((error: unknown) => {
        const { kind, message, code } = faultOf(error)
        const said = code === undefined ? message : `${code} (${loginRefusal(code)})`
        throw new StoreFault(kind, `cannot log in: ${said}`, code)
      })
  })
  return client
}

/** In our words: a server that does not know AUTH repeats what it was sent, the password included (https://valkey.io/commands/auth/). */
function loginRefusal(code: string): string {
  if (code === 'WRONGPASS') return 'the user or the password is wrong'
  if (code === 'ERR') return 'the server has no password for this user, or does not know AUTH'
  return 'the server refuses the user and the password'
}

/** Disconnects when this fails or takes too long. @throws StoreFault */
async function promptly<T>({ setTimer }: LinkParts, client: Client, ask: () => Promise<T>): Promise<T> {
  let isLate = false
  const cancel = setTimer(() => {
    isLate = true
    disconnect(client)
  }, silenceMs)
  try {
    return await ask()
  } catch (error) {
    disconnect(client)
    if (isLate) throw new StoreFault('timeout', `no reply within ${silenceMs} ms`)
    throw violationOf(client) ?? faultOf(error)
  } finally {
    cancel()
  }
}

/** Without the goodbye that the library waits for. */
function disconnect(client: Client): void {
  client.disconnect()
  client.stream?.destroy()
}

/** Texts of the system and of OpenSSL, in our words where those do not say what to do. */
function connectFault(error: unknown, isEncrypted: boolean): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (isEncrypted && /^(?:ERR_SSL|EPROTO)/.test(code)) return `no TLS connection: ${message.slice(0, 200)}`
  if (/CERT|SIGNATURE|ISSUER/.test(code))
    return `the certificate of the server is not accepted: ${message.slice(0, 200)} (${code})`
  if (/closed/i.test(message)) return 'the server closed the connection'
  return message.slice(0, 200)
}

export class Link {
  readonly info: ServerInfo
  /** Where it leads to, for people. */
  readonly address: string
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  hasEnded = false
  readonly #parts: LinkParts
  readonly #client: Client
  readonly #at: StoreAddress
  #isCorked = false

  constructor(parts: LinkParts, found: { client: Client; address: StoreAddress; info: ServerInfo }) {
    this.#parts = parts
    this.#client = found.client
    this.#at = found.address
    this.info = found.info
    this.address = addressText(found.address)
    this.ended = new Promise((resolve) => {
      this.#client.once('end', () => {
        this.hasEnded = true
        resolve()
      })
    })
  }

  /** Why it was closed from here. Undefined: it was not, or by `end`. */
  get violation(): StoreFault | undefined {
    return violationOf(this.#client)
  }

  /** Rejects with a `StoreFault`; never because of the time. */
  async run<Name extends ScriptName>(
    name: Name,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<ScriptReplies[Name]> {
    const { hash, source } = this.#parts.scripts.get(name)!
    const call = (): Promise<unknown> => {
      this.#cork()
      return this.#client.call('EVALSHA', hash, keys.length, ...keys, ...args)
    }
    const reply = await call().catch(async (error: unknown) => {
      const fault = this.#faultOf(error)
      if (fault.code !== 'NOSCRIPT') throw fault
      // SCRIPT FLUSH. In the order of the connection, the script is there when it is called.
      const loading = this.#client.call('SCRIPT', 'LOAD', source)
      return Promise.all([loading, call()]).then(
        ([, again]) => again,
        (second: unknown) => Promise.reject(this.#faultOf(second)),
      )
    })
    return readReply(name, reply, { keys, args })
  }

  /**
   * Subscribes over another connection to the same server.
   * @returns that connection, whose `end` the caller listens to. @throws StoreFault
   */
  async openNews(onMessage: (message: string) => void): Promise<Client> {
    const client = await openAt(this.#parts, this.#at, true)
    client.on('message', (_channel: string, message: string) => onMessage(message))
    expectNews(client)
    await promptly(this.#parts, client, () => client.subscribe(newsChannel(this.#parts.prefix)))
    return client
  }

  #faultOf(error: unknown): StoreFault {
    return this.violation ?? faultOf(error)
  }

  /** Whether the user has rights on our keys and our channel. Changes nothing. @throws StoreFault */
  async mayUse(): Promise<void> {
    const { prefix } = this.#parts
    const news = await promptly(this.#parts, this.#client, async () => {
      const mayBeWritten = [
        'EVAL',
        "return redis.call('DEL', KEYS[1])",
        1,
        storeKey(prefix, 'doctor'),
      ] as const
      await this.#client.call(...mayBeWritten)
      return this.openNews(() => {})
    }).catch((error: unknown) => {
      const { kind, message, code } = faultOf(error)
      throw new StoreFault(kind, `${this.address}: ${message}`, code)
    })
    disconnect(news)
  }

  /** What runs fails. */
  end(): void {
    disconnect(this.#client)
  }

  /** What is written in one turn of the event loop leaves in one piece. */
  #cork(): void {
    if (this.#isCorked) return
    const { stream } = this.#client
    if (stream === undefined) return
    this.#isCorked = true
    stream.cork()
    setImmediate(() => {
      this.#isCorked = false
      stream.uncork()
    })
  }
}
