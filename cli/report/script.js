// A legend shows and hides its curve in all figures, a choice shows the figures of one horizontal axis.
document.querySelectorAll('.legend button').forEach((button) => {
  button.addEventListener('click', () => {
    const isShown = button.getAttribute('aria-pressed') === 'false';
    document.querySelectorAll('.legend button').forEach((other) => {
      if (other.dataset.colour === button.dataset.colour) other.setAttribute('aria-pressed', isShown);
    });
    document.querySelectorAll('svg [data-curve="' + button.dataset.colour + '"]').forEach((curve) => {
      curve.classList.toggle('off', !isShown);
    });
  });
});
document.querySelectorAll('.choices button').forEach((button) => {
  button.addEventListener('click', () => {
    for (const other of button.parentElement.children) {
      other.setAttribute('aria-pressed', other === button);
      document.getElementById(other.dataset.shows).hidden = other !== button;
    }
  });
});
