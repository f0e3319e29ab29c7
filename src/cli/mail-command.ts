import { text } from 'node:stream/consumers'
import type { Taken } from '../mail/service.ts'
import { OvCommand } from './command.ts'
import { lettersText } from './letters.ts'

/** What commands that take mail share: it is shown, has left the process, and only then counts as delivered. */
export abstract class MailCommand extends OvCommand {
  /** Prints taken mail and confirms it once it is out. A kill in between leaves it to be offered again. */
  protected show(taken: Taken, { framed = false } = {}): void {
    const { offer, mail, prompt } = taken
    if (offer === null) return
    // Inside an agent what is printed enters a context: there it is always framed as data.
    this.log(framed || this.insideAgent ? prompt : lettersText(mail, Date.now()))
    this.confirmOncePrinted(offer, mail)
  }

  protected confirmOncePrinted(offer: string, mail: readonly { readonly id: string }[]): void {
    this.oncePrinted(() => this.call('mail.confirm', { offer, ids: mail.map((one) => one.id) }))
  }
}

/** The text of a flag; `-` stands for standard input. */
export function textOf(flag: string): Promise<string> {
  return flag === '-' ? text(process.stdin) : Promise.resolve(flag)
}
