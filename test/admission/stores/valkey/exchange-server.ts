// A real server that runs exchange.lua by a clock that the test sets: the script asks for the time once, and gets the given one.
import assert from 'node:assert/strict'
import { type Client, openClient } from '../../../../src/admission/stores/valkey/client.ts'
import { readScripts } from '../../../../src/admission/stores/valkey/script-files.ts'
import { type RedisServer, startRedis } from '../../../support/redis.ts'
import type { Cleanup } from '../../../support/scripted-upstream.ts'

/** A script with its time and its messages in the test's hands: TIME is the key `test:time`, PUBLISH adds to the list `test:news`. */
export function scriptByGivenTime(source = readScripts().get('exchange')!.source): string {
  const replace = (text: string, from: string, to: string, count: number): string => {
    const parts = text.split(from)
    assert.equal(parts.length - 1, count, from)
    return parts.join(to)
  }
  const timed = replace(source, "redis.call('TIME')", "cjson.decode(redis.call('GET', 'test:time'))", 1)
  return replace(timed, "redis.call('PUBLISH', channel, ", "redis.call('RPUSH', 'test:news', ", 2)
}

export class ExchangeServer {
  readonly redis: RedisServer
  readonly client: Client
  readonly #source: string

  private constructor(redis: RedisServer, client: Client, source: string) {
    this.redis = redis
    this.client = client
    this.#source = source
  }

  static async start(t: Cleanup, source?: string): Promise<ExchangeServer> {
    const redis = await startRedis(t)
    const client = await openClient(
      { host: '127.0.0.1', port: redis.port },
      { isEncrypted: false, ca: undefined },
    )
    t.after(() => client.disconnect())
    return new ExchangeServer(redis, client, scriptByGivenTime(source))
  }

  /** Runs one exchange at a time of the server's, in milliseconds. @returns its reply, and the messages that it published. */
  async run(
    keys: readonly string[],
    args: readonly (string | number)[],
    atMs: number,
  ): Promise<{ reply: unknown; news: string[] }> {
    const time = JSON.stringify([Math.floor(atMs / 1000), (atMs % 1000) * 1000])
    const results = await this.client
      .multi()
      .set('test:time', time)
      .del('test:news')
      .eval(this.#source, keys.length, ...keys, ...args)
      .lrange('test:news', 0, -1)
      .exec()
    const [, , [error, reply], [, news]] = results as [
      unknown,
      unknown,
      [Error | null, unknown],
      [null, string[]],
    ]
    if (error !== null) throw error
    return { reply, news }
  }
}
