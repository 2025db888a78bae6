// Runs once for each place of HTML: what is clicked in it fires the event it names, with its data.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-event]');
  if (button && element.contains(button) && !button.disabled)
    trigger(button.dataset.event, {...button.dataset});
});
