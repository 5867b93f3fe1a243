// The list of clients' keys over a connection of a command's own, which does not join the store: where no gateway runs that
// would pass it on.
import type { StoreEndpoint } from '../../../config/store-types.ts'
import type { SetTimer } from '../../../platform/clock.ts'
import { KeyListInStore } from './key-list.ts'
import { openLink } from './link.ts'
import { readScripts, type ScriptName } from './script-files.ts'
import { StoreFault } from './store-fault.ts'

export interface KeyListAccess {
  readonly list: KeyListInStore
  close(): void
}

const timeoutMs = 2_000

/**
 * @param uploadId unlike any other's.
 * @throws StoreFault when the server cannot be reached, or refuses. Takes some seconds at most.
 */
export async function openKeyList({
  uploadId,
  ...options
}: {
  readonly endpoint: StoreEndpoint
  readonly ca: string | undefined
  readonly prefix: string
  readonly setTimer: SetTimer
  readonly uploadId: string
}): Promise<KeyListAccess> {
  const { openClient } = await import('./client.ts').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new StoreFault('down', 'the package ioredis is not installed: run npm ci --include=optional')
  })
  const link = await openLink({ ...options, open: openClient, scripts: readScripts() })
  const run = async <Name extends ScriptName>(
    script: Name,
    keys: readonly string[],
    args: readonly (string | number)[],
  ) => {
    let cancel = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      const message = `no reply within ${timeoutMs} ms`
      cancel = options.setTimer(() => reject(new StoreFault('timeout', message)), timeoutMs)
    })
    try {
      return await Promise.race([link.run(script, keys, args), late])
    } finally {
      cancel()
    }
  }
  const { prefix } = options
  const list = new KeyListInStore({ run }, { prefix, machine: undefined, uploadId })
  return { list, close: () => link.end() }
}
