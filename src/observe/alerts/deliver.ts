// One message to one service.
import type { NotifySink } from '../../config/observe-types.ts'
import { postJson, type SendOutcome } from '../../outbound/post.ts'
import { type Batch, messageOf } from './forms.ts'
import type { Sender } from './wording.ts'

/** Never rejects. @param nowMs since 1970. */
export async function deliver(
  sink: NotifySink,
  batch: Batch,
  sender: Sender,
  nowMs: number,
): Promise<SendOutcome> {
  const { kind, url, token } = sink
  const destination = { kind, url: typeof url === 'string' ? url : url.reveal(), token: token?.reveal() }
  // The configuration was checked; a URL that gets here all the same must not end the process.
  if (URL.parse(destination.url) === null) return { kind: 'failed', fault: 'not a URL' }
  const { url: to, ...content } = messageOf(batch, destination, sender)
  return postJson(to, content, nowMs)
}
