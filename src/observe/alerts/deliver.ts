// One message to one service.
import type { NotifySink } from '../../config/types.ts'
import { postJson, type SendOutcome } from '../../outbound/post.ts'
import { type Batch, messageOf } from './forms.ts'
import type { Sender } from './wording.ts'

/** Never rejects. @param nowMs since 1970. */
export function deliver(sink: NotifySink, batch: Batch, sender: Sender, nowMs: number): Promise<SendOutcome> {
  const { kind, url, token } = sink
  const destination = { kind, url: typeof url === 'string' ? url : url.reveal(), token: token?.reveal() }
  const { url: to, ...content } = messageOf(batch, destination, sender)
  return postJson(to, content, nowMs)
}
