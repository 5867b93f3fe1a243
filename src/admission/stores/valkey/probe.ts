// Looks at a store without joining it, for `doctor`.
import type { StoreEndpoint } from '../../../config/store-types.ts'
import type { SetTimer } from '../../../platform/clock.ts'
import { openLink } from './link.ts'
import type { ServerInfo } from './server-info.ts'
import { faultOf } from './store-fault.ts'

export type ProbedStore =
  | { readonly kind: 'reached'; readonly address: string; readonly info: ServerInfo }
  /** Of people; no credential is in it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly code?: string | undefined }

/** Connects as a gateway does, up to where it would join. Takes some seconds at most. */
export async function probeStore(options: {
  readonly endpoint: StoreEndpoint
  readonly ca: string | undefined
  readonly prefix: string
  readonly setTimer: SetTimer
}): Promise<ProbedStore> {
  try {
    const { openClient } = await import('./client.ts')
    const link = await openLink({ ...options, open: openClient, scripts: new Map() })
    const { address, info } = link
    try {
      await link.mayUse()
    } finally {
      link.end()
    }
    return { kind: 'reached', address, info }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND')
      return { kind: 'failed', reason: 'the package ioredis is not installed', code: 'NOT_INSTALLED' }
    const { message, code } = faultOf(error)
    return { kind: 'failed', reason: message, code }
  }
}
