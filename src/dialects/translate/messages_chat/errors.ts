// A provider's errors for clients of Messages.
import { errorTypeOfStatus, isErrorType } from '../../anthropic/errors.ts'
import { isContextOverflow, overflowBeginning } from '../../context-overflow.ts'
import type { ErrorFields } from '../../dialect.ts'

/**
 * The error with the type that its status has. Its message stays as it is, but for the beginning by which clients recognize
 * that the prompt does not fit.
 * @param status of the response, or as if it were one; 500 also for an event that names none.
 */
export function messagesError(
  fields: ErrorFields,
  status: number,
): { readonly type: string; readonly message: string } {
  const { message, type } = fields
  if (isContextOverflow(fields)) {
    const isMarked = message.startsWith(overflowBeginning)
    return { type: 'invalid_request_error', message: isMarked ? message : `${overflowBeginning}: ${message}` }
  }
  const isOwnType = status === 500 && type !== null && isErrorType(type)
  return { type: isOwnType ? type : errorTypeOfStatus(status), message }
}
