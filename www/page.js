/* What every page does with its own document. */

export const $ = (id) => document.getElementById(id);

/** Changes nothing that is so already: what does not change is not read out again. */
export function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch { // Not on https, or not allowed.
		const field = Object.assign(document.createElement('textarea'), { value: text, readOnly: true, className: 'unseen' });
		const focused = document.activeElement;
		document.body.append(field);
		field.select();
		document.execCommand('copy');
		field.remove();
		focused?.focus();
	}
}

/** Give the blob to the person as a file of this name. */
export function download(name, blob) {
	const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
